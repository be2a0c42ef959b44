"""The section of a GPU in RESULTS.md: tables from figures, with a reason where there is none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.gpu.meter import Key
from benchmarks.gpu.parts import BUDGET, BUDGETS, CALLERS, CHANGED, DTYPES, MULTIPLES, TF32
from benchmarks.gpu.parts import TRANSFERS as KINDS_OF_TRANSFER
from benchmarks.markdown import table

Figures = Mapping[Key, Any]
ALL_DTYPES = (DTYPES[0], TF32, *DTYPES[1:])
RATE = "texts_per_s"
HEAD = """\
`python -m benchmarks.gpu`. Real texts, tweets, reviews and newspaper sentences: short of about 25
tokens, long of about 420. The bundled model; the other two have random weights, the architecture
of BERT and the bundled tokenizer. The bare loop sorts by length and predicts 32 texts at a time, as
does the pipeline, unsorted. Medians of up to {rounds} rounds; the spread is that of the rounds of
Model.predict, or stands in brackets. Memory is the most that torch had allocated in Model.predict.
"""


def section(figures: Figures, *, facts: Mapping[str, Any]) -> str:
    """All tables, below a line on the machine, without the heading."""
    packages = f"torch {facts['torch']}, transformers {facts['transformers']}"
    origin = f"{facts['machine']}; {packages}; commit {facts['commit']}, {facts['day']}."
    parts = (_rates, _budgets, _multiples, _transfers, _visitors, _agreement, _threads)
    lines = [line for part in parts for line in part(figures)]
    return "\n".join([origin, "", HEAD.format(rounds=facts["rounds"]).strip(), *lines, ""])


def cell(figures: Figures, key: Key, field: str, how: str) -> str:
    """A field of a figure by its format; the reason why there is none, or "" if never tried."""
    value = figures.get(key, "")
    if isinstance(value, str):
        return value
    return how.format(value[field]) if field in value else ""


def ratio(figures: Figures, key: Key, name: str) -> str:
    """The rate of `key` as a multiple of that of the figure `name`; "" if one is missing."""
    ours, theirs = figures.get(key), figures.get(key._replace(name=name))
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return ""
    return f"{ours[RATE] / theirs[RATE]:.2f} x"


def models(figures: Figures) -> list[str]:
    """The models that were measured, in their order."""
    return list(dict.fromkeys(key.model for key in figures if key.model))


def _places(figures: Figures) -> Iterator[tuple[str, str]]:
    for model in models(figures):
        yield from ((model, texts) for texts in ("short", "long"))


def _titled(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield from ("", f"### {title}", "", *table(columns, rows))


def _rates(figures: Figures) -> Iterator[str]:
    columns = "model, texts, dtype, pipeline, bare loop, Model.predict, of the bare loop, "
    columns += "of the pipeline, spread, memory"
    rows = []
    for model, texts in _places(figures):
        for dtype in ALL_DTYPES:
            key = Key(model, texts, dtype, "Model.predict")
            if key in figures:
                peers = [key._replace(name=name) for name in ("pipeline", "bare loop")]
                rows.append(
                    [
                        *key[:3],
                        *(cell(figures, each, RATE, "{:,.0f}") for each in (*peers, key)),
                        ratio(figures, key, "bare loop"),
                        ratio(figures, key, "pipeline"),
                        cell(figures, key, "spread", "{:.0%}"),
                        cell(figures, key, "memory_mb", "{:,.0f} MB"),
                    ]
                )
    yield from _titled("Texts a second on the GPU", columns.split(", "), rows)


def _budgets(figures: Figures) -> Iterator[str]:
    rows = []
    for model, texts in _places(figures):
        for name, what in (("budget", "Model.predict"), ("forward", "forward passes alone")):
            keys = [Key(model, texts, CHANGED, f"{name} {tokens}") for tokens in BUDGETS]
            rows.append([model, texts, what, *(cell(figures, k, RATE, "{:,.0f}") for k in keys)])
        key = Key(model, texts, CHANGED, "tokenizer")
        rows.append([model, texts, "tokenizer alone", cell(figures, key, RATE, "{:,.0f}")])
        rows[-1] += [""] * (len(BUDGETS) - 1)
        keys = [Key(model, texts, CHANGED, f"budget {tokens}") for tokens in BUDGETS]
        memory = [cell(figures, key, "memory_mb", "{:,.0f} MB") for key in keys]
        rows.append([model, texts, "memory of Model.predict", *memory])
    columns = ["model", "texts", "of texts a second", *(f"{tokens:,}" for tokens in BUDGETS)]
    yield from _titled(f"At most so many padded tokens a batch, {CHANGED}", columns, rows)


def _multiples(figures: Figures) -> Iterator[str]:
    names = [f"multiple {multiple}" for multiple in MULTIPLES]
    title = f"Rows padded to a multiple of so many tokens, {CHANGED}, {BUDGET:,} tokens a batch"
    yield from _changes(figures, title, names, [str(multiple) for multiple in MULTIPLES])


def _transfers(figures: Figures) -> Iterator[str]:
    names = list(KINDS_OF_TRANSFER)
    yield from _changes(figures, f"Transfers, {CHANGED}, {BUDGET:,} tokens a batch", names, names)


def _changes(
    figures: Figures, title: str, names: Sequence[str], columns: Sequence[str]
) -> Iterator[str]:
    rows = []
    for model, texts in _places(figures):
        keys = [Key(model, texts, CHANGED, name) for name in names]
        shown = []
        for key in keys:
            spread = cell(figures, key, "spread", " ({:.0%})") if key in figures else ""
            rate = cell(figures, key, RATE, "{:,.0f}")
            shown.append(rate if rate == spread else rate + spread)
        rows.append([model, texts, *shown])
    yield from _titled(f"{title}; texts a second", ["model", "texts", *columns], rows)


def _visitors(figures: Figures) -> Iterator[str]:
    rows = []
    for model in models(figures):
        for dtype in DTYPES:
            short, long = (Key(model, texts, dtype, "one text") for texts in ("short", "long"))
            many = Key(model, "short", dtype, "callers")
            larger = many._replace(name=f"callers {BUDGET}")
            rows.append(
                [
                    model,
                    dtype,
                    cell(figures, short, "by_hand_ms", "{:.1f} ms"),
                    cell(figures, short, "median_ms", "{:.1f} ms"),
                    cell(figures, short, "p95_ms", "{:.1f} ms"),
                    cell(figures, long, "median_ms", "{:.1f} ms"),
                    cell(figures, many, RATE, "{:,.0f}"),
                    cell(figures, many, "median_ms", "{:.1f} ms"),
                    cell(figures, many, "p95_ms", "{:.1f} ms"),
                    cell(figures, larger, RATE, "{:,.0f}"),
                ]
            )
    columns = "model, dtype, a short text by hand, submitted, 95 of 100, a long text submitted, "
    columns += f"{CALLERS} callers: texts/s, median, 95 of 100, texts/s at {BUDGET} tokens a batch"
    yield from _titled("Texts that come one at a time", columns.split(", "), rows)


def _agreement(figures: Figures) -> Iterator[str]:
    rows = []
    for model in models(figures):
        for dtype in ALL_DTYPES[1:]:
            key = Key(model, "", dtype, "agreement")
            if key in figures:
                rows.append([model, dtype, "float32", *_same(figures, key)])
        key = Key(model, "", DTYPES[0], "on a CPU")
        rows.append([model, DTYPES[0], "float32 on the CPU", *_same(figures, key)])
    columns = ("model", "dtype", "against", "same label", "largest difference of a score")
    yield from _titled("The same predictions", columns, rows)
    yield ""
    yield "Labels of random weights are decided by small differences, and say little."


def _same(figures: Figures, key: Key) -> tuple[str, str]:
    value = figures.get(key, "")
    if isinstance(value, str):
        return value, ""
    return f"{value['same']:.1%}", f"{value['difference']:.1e}"


def _threads(figures: Figures) -> Iterator[str]:
    rows = []
    for key, value in figures.items():
        if not key.model:
            shown = [value, ""] if isinstance(value, str) else [f"{v:,.0f}" for v in value.values()]
            rows.append([key.name, *shown])
    yield from _titled("The tokenizer alone; texts a second", ("threads", "short", "long"), rows)
