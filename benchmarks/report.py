"""benchmarks/RESULTS.md: a section for each kind of processor, of which a run replaces its own."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import aims
from benchmarks.machine import KINDS
from benchmarks.markdown import table
from benchmarks.results import Results
from benchmarks.servers import ONNX, TRYOUT
from benchmarks.service import MANY, PREDICT, SERVERS, SINGLE

HEAD = """\
# Measured

A section for each kind of processor; `make bench` replaces that of the machine where it runs. The
versions in requirements-dev.txt; Gradio 6.31.0, LitServe 0.2.19, BentoML 1.4.40. The bundled model
and the same real texts (tweets, reviews, newspaper sentences) for all. Visitors click without a
pause over each server's own protocol, from a process on the same machine: it takes its share of the
cores. Tryout also stores each prediction durably and shows the rating form; the others do neither.
*Tryout* is what `make run` starts; *onnx int8* is the same with `make onnx INT8=1` and
`runtime = "onnx"`.

An aim in bold was not reached. The better Gradio is the one that predicts more; `batch=True` has it
compute together what has gathered, as Tryout does. For each prediction Tryout also runs a script,
sends a dozen widgets and stores a row. In a browser most of a click is drawing, for every app, and
two frames of it are in each figure. PyTorch keeps kernels for the shapes of its batches, which is
the memory it takes more than plain Streamlit. bfloat16 is measured where the trial accepts it by
which `dtype = "auto"` decides.
"""
# Reasons that hold for the figures of a kind; a run cannot know them.
REMARKS = {
    "AVX-512 without AMX": """
Clients that wait for their answers leave the queue 16 texts to choose from. Those are padded to 47
tokens each, of 25 that they have, and the forward pass alone does 157 of them a second; the 600 of
`Model.predict` are sorted by length. So all servers over this model are within 5 % of that, but for
BentoML, and the pipeline in batches of 32 is not far behind on these cores.
""".strip(),
    "AMX bfloat16": """
The throughput of `batch=True` is close: most of a prediction's time is the script, the widgets and
the row, and the visitors themselves take a quarter of the two cores. int8 is no match for bfloat16.
""".strip(),
}
# Keys of figures, and the format of each in its column.
ROOM = (
    ("per_s", "{:.1f}"),
    ("median_ms", "{:.0f} ms"),
    ("p95_ms", "{:.0f} ms"),
    ("errors", "{:.0f}"),
    ("memory_mb", "{:.0f} MB"),
)
CLIENTS = ROOM[:-1]
IN_TURNS = ("in turns, texts/s", "the service", PREDICT, "ratio")
BROWSER = (("first_s", "{:.1f} s"), ("median_ms", "{:.0f} ms"), ("p95_ms", "{:.0f} ms"))
Figures = dict[str, Any]


def with_section(text: str, kind: str, section: str) -> str:
    """RESULTS.md with `section` in place of the one of its kind; the head is written anew."""
    sections = sections_of(text) | {kind: section.strip()}
    order = [*(name for name in KINDS if name in sections), *sorted(sections.keys() - {*KINDS})]
    return "\n\n".join([HEAD.strip(), *(f"## {name}\n\n{sections[name]}" for name in order)]) + "\n"


def sections_of(text: str) -> dict[str, str]:
    """The text below each heading of the second level, by the heading."""
    _, *parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {name.strip(): body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


def section(results: Results, kind: str) -> str:
    """All that was measured, without the heading."""
    remarks = REMARKS.get(kind)
    return "\n".join(
        [
            *origins(results),
            "",
            "### Aims, as ratios",
            "",
            *table(("aim", "Tryout", "onnx int8"), ()),
            *aims.rows(results),
            *(["", remarks] if remarks else []),
            *(
                line
                for part, lines in PARTS.items()
                if part in results.parts
                for line in lines(results.figures(part))
            ),
            "",
        ]
    )


def origins(results: Results) -> Iterator[str]:
    """The machine, commit and day of what was measured; a line a part if they differ."""
    names: dict[str, list[str]] = {}
    for name, part in results.parts.items():
        origin = f"{part['machine']}; commit {part['commit']}, {part['day']}"
        names.setdefault(origin + ("" if part["is_done"] else ", interrupted"), []).append(name)
    for origin, parts in names.items():
        yield f"{origin}." if len(names) == 1 else f"- {', '.join(parts)}: {origin}."


def cells(figures: Figures | str, of: Sequence[tuple[str, str]]) -> list[str]:
    """A cell for each key and format in `of`; a reason instead of figures stands in the first."""
    if isinstance(figures, str):
        return [figures, *[""] * (len(of) - 1)]
    return [shown(figures.get(key, ""), how) for key, how in of]


def shown(figure: Any, how: str) -> str:
    """A number by its format; a reason why there is none as it is."""
    return figure if isinstance(figure, str) else how.format(figure)


def _rooms(figures: Figures) -> Iterator[str]:
    columns = ("app", "visitors", "predictions/s", "median", "95 of 100", "errors", "memory")
    rows = []
    for name, rooms in figures.items():
        for visitors, room in ({"": rooms} if isinstance(rooms, str) else rooms).items():
            rows.append([name, visitors, *cells(room, ROOM)])
    yield from ("", "### Rooms of visitors", "", *table(columns, rows))


def _browser(figures: Figures) -> Iterator[str]:
    columns = ("app", "start to first prediction", "click to drawn, in Chromium", "95 of 100")
    rows = ([name, *cells(drawn, BROWSER)] for name, drawn in figures.items())
    yield from ("", "### One visitor", "", *table(columns, rows))


def _alone(figures: Figures) -> Iterator[str]:
    by_name = [measured for measured in figures.values() if isinstance(measured, dict)]
    rows = (
        [what, *(cells(figures.get(app, {}), [(what, "{:.1f} ms")])[0] for app in (TRYOUT, ONNX))]
        for what in (by_name[0] if by_name else [""])
    )
    yield from ("", "### One visitor over the protocol", "")
    yield from table(("medians, nothing drawn", "Tryout", "onnx int8"), rows)


def _offline(figures: Figures) -> Iterator[str]:
    first = figures.get("pipeline, one by one")
    rows = []
    for name, rate in figures.items():
        if not name.endswith(" ms"):
            both = isinstance(rate, float) and isinstance(first, float)
            rows.append([name, shown(rate, "{:.0f}"), f"{rate / first:.1f}" if both else ""])
    yield from ("", "### Without a server", "")
    yield from table(("600 texts", "texts/s", "against one by one"), rows)


def _million(figures: Figures) -> Iterator[str]:
    rows = ([what, shown(value, "{:,.1f}")] for what, value in figures.items())
    yield from ("", "### A log of a million predictions", "", *table(("what", ""), rows))


def _jobs(figures: Figures) -> Iterator[str]:
    rows = ([what, shown(value, "{:,.1f}")] for what, value in figures.items())
    yield from ("", "### A log with predictions of a job", "", *table(("what", ""), rows))


def _job_run(figures: Figures) -> Iterator[str]:
    rows = ([what, shown(value, "{:,.2f}")] for what, value in figures.items())
    yield from ("", "### A job with the bundled model", "")
    yield from table(("texts/s, and their ratios", ""), rows)


def _long_job(figures: Figures) -> Iterator[str]:
    rows = ([what, shown(value, "{:,.1f}")] for what, value in figures.items())
    yield from ("", "### A long job with a fake predictor, and a visitor beside it", "")
    yield from table(("what", ""), rows)


def _batch(figures: Figures) -> Iterator[str]:
    names = {
        "alone_ms": "alone, ms",
        "beside_ms": f"beside a batch of {figures.get('rows', 0):,}, ms",
        "rows_per_s": "rows/s of that batch",
    }
    rows = (
        [names.get(what, what), shown(value, "{:,.1f}")]
        for what, value in figures.items()
        if what != "rows"
    )
    yield from ("", "### A visitor beside a batch", "")
    yield "One click on Predict every half second, over the protocol; the median to the card."
    yield from ("", *table(("what", ""), rows))


def _service(figures: Figures) -> Iterator[str]:
    yield from ("", "### The service", "", "wrk, 32 clients with kept connections.", "")
    columns = ("server, a text a request", "requests/s", "median", "95 of 100", "errors")
    servers = {name: each for name, each in figures.items() if name in SERVERS}
    yield from table(columns, ([name, *cells(each, CLIENTS)] for name, each in servers.items()))
    yield from ("", *table(IN_TURNS, _in_turns(figures)))


def _in_turns(figures: Figures) -> Iterator[list[str]]:
    for name in (SINGLE, MANY):
        if name in figures:
            both = (figures[name], figures.get(f"{PREDICT}, beside {name}", ""))
            ratio = shown(figures.get(f"{name}, ratio", ""), "{:.2f}")
            yield [name, *(shown(rate, "{:.0f}") for rate in both), ratio]


def _remote(figures: Figures) -> Iterator[str]:
    rows = ([what, shown(value, "{:,.1f}")] for what, value in figures.items())
    yield from ("", "### A model behind a URL", "", "Everything on one machine; medians.", "")
    yield from table(("what", ""), rows)


PARTS: dict[str, Callable[[Figures], Iterator[str]]] = {
    "rooms": _rooms,
    "browser": _browser,
    "alone": _alone,
    "offline": _offline,
    "million": _million,
    "batch": _batch,
    "service": _service,
    "remote": _remote,
    "jobs": _jobs,
    "job_run": _job_run,
    "long_job": _long_job,
}
