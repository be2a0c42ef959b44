"""benchmarks/RESULTS.md out of what was measured: ratios first, then every figure."""

import os
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

TRYOUT, ONNX = "Tryout", "Tryout, onnx int8"
PLAIN, ONE, BATCHED = "plain Streamlit", "Gradio", "Gradio, batch=True"
Figures = dict[str, Any]


def report(
    measured: dict[str, Figures],
    alone: dict[str, Figures],
    offline: dict[str, float],
    million: dict[str, float],
    batch: dict[str, float],
) -> str:
    return "\n".join(
        [
            "# Measured",
            "",
            f"`make bench` on {machine()}, Python {platform.python_version()} and the versions in",
            "requirements-dev.txt; Gradio 6.31.0. The bundled model and the same real texts",
            "(tweets, reviews, newspaper sentences) for all. Visitors click without a pause over",
            "each server's own protocol, from a process on the same machine: it takes its share of",
            "the cores. Tryout also stores each prediction durably and shows the rating form; the",
            "others do neither. *Tryout* is what `make run` starts; *onnx int8* is the same with",
            '`make onnx INT8=1` and `runtime = "onnx"`.',
            "",
            "## Aims, as ratios",
            "",
            "| aim | Tryout | onnx int8 |",
            "| --- | --- | --- |",
            *aims(measured, alone, offline, million, batch),
            "",
            "In bold what was not reached. " + WHY_NOT,
            "",
            "## Rooms of visitors",
            "",
            "| app | visitors | predictions/s | median | 95 of 100 | errors | memory |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *(
                f"| {name} | {visitors} | {got['per_s']:.1f} | {got['median_ms']:.0f} ms "
                f"| {got['p95_ms']:.0f} ms | {got['errors']} | {got['memory_mb']:.0f} MB |"
                for name, figures in measured.items()
                for visitors, got in figures["rooms"].items()
            ),
            "",
            "## One visitor",
            "",
            "| app | start to first prediction | click to drawn, in Chromium | 95 of 100 |",
            "| --- | --- | --- | --- |",
            *(
                f"| {name} | {got['first_s']:.1f} s | {got['browser']['median_ms']:.0f} ms "
                f"| {got['browser']['p95_ms']:.0f} ms |"
                for name, got in measured.items()
            ),
            "",
            "| medians over the WebSocket, nothing drawn | Tryout | onnx int8 |",
            "| --- | --- | --- |",
            *(
                f"| {what} | {ms:.1f} ms | {alone[ONNX][what]:.1f} ms |"
                for what, ms in alone[TRYOUT].items()
            ),
            "",
            "## Without a server",
            "",
            "| 600 texts | texts/s | against one by one |",
            "| --- | --- | --- |",
            *(
                f"| {name} | {rate:.0f} | {rate / offline['pipeline, one by one']:.1f} |"
                for name, rate in offline.items()
                if not name.endswith(" ms")
            ),
            "",
            "## A log of a million predictions",
            "",
            "| what | |",
            "| --- | --- |",
            *(f"| {what} | {value:,.1f} |" for what, value in million.items()),
            "",
            "## A visitor beside a batch",
            "",
            "One click on Predict every half second, over the protocol; the median to the card.",
            "",
            "| what | |",
            "| --- | --- |",
            *(f"| {what} | {value:,.1f} |" for what, value in batch.items()),
            "",
        ]
    )


WHY_NOT = """
The better Gradio is the one that
predicts more; `batch=True` has it compute together what has gathered, as Tryout does, so its
throughput is close. For each prediction Tryout also runs a script, sends a dozen widgets and
stores a row, which is most of its time; the visitors themselves take a quarter of the two cores.
In a browser most of a click is drawing, for every app, and two frames of it are in each figure.
PyTorch keeps kernels for the shapes of its batches, which is the memory it takes more than plain
Streamlit. int8 is no match for bfloat16 on a CPU with AMX; on others it was not measured.
""".strip()


def aims(
    measured: dict[str, Figures],
    alone: dict[str, Figures],
    offline: dict[str, float],
    million: dict[str, float],
    batch: dict[str, float],
) -> Iterator[str]:
    """A row an aim: what both of ours reach of it; in bold what falls short."""
    rooms = {name: figures["rooms"] for name, figures in measured.items()}
    better = max((ONE, BATCHED), key=lambda name: rooms[name][16]["per_s"])

    def row(aim: str, limit: float, value: Callable[[str], float | None], unit: str = "x") -> str:
        at_least = "at least" in aim
        cells = []
        for name in (TRYOUT, ONNX):
            got = value(name)
            if got is None:
                cells.append("")
                continue
            shown = f"{got:,.0f} {unit}" if abs(got) >= 100 else f"{got:.2f} {unit}"
            good = got >= limit if at_least else got <= limit
            cells.append(shown if good else f"**{shown}**")
        return f"| {aim} | {' | '.join(cells)} |"

    def only(value: float) -> Callable[[str], float | None]:
        return lambda name: value if name == TRYOUT else None

    def room(of: str, visitors: int, what: str) -> Callable[[str], float]:
        return lambda name: rooms[name][visitors][what] / rooms[of][visitors][what]

    dtype = {TRYOUT: "bfloat16", ONNX: "onnx int8"}
    yield row(
        "16 visitors: predictions/s at least 22 x plain Streamlit", 22, room(PLAIN, 16, "per_s")
    )
    yield row(f"16 visitors: predictions/s at least 5 x {better}", 5, room(better, 16, "per_s"))
    yield row(f"16 visitors: 95 of 100 within 0.25 x {better}", 0.25, room(better, 16, "p95_ms"))
    yield row("64 visitors: no errors", 0, lambda name: rooms[name][64]["errors"], "errors")
    for what, peers in (("over the protocol", rooms), ("drawn in a browser", None)):
        for limit, of in ((1 / 8, PLAIN), (1 / 5, better)):

            def click(name: str, of: str = of, peers: Any = peers) -> float:
                if peers:
                    return float(peers[name][1]["median_ms"] / peers[of][1]["median_ms"])
                browser = [measured[one]["browser"]["median_ms"] for one in (name, of)]
                return float(browser[0] / browser[1])

            yield row(f"one visitor, click {what}: {limit:.3g} x {of} at most", limit, click)
    yield row(
        "offline: at least 4 x the pipeline one by one",
        4,
        lambda name: offline[f"Model.predict, {dtype[name]}"] / offline["pipeline, one by one"],
    )
    yield row(
        "offline: at least 0.9 x a bare loop in the same numbers",
        0.9,
        lambda name: (
            offline[f"Model.predict, {dtype[name]}"] / offline[f"bare loop, {dtype[name]}"]
        ),
    )
    yield row(
        "the batcher's own cost for a lone text: 0.3 ms at most",
        0.3,
        lambda name: offline[f"batcher, {dtype[name]}, ms"],
        "ms",
    )
    yield row("16 visitors: memory 1 x plain Streamlit at most", 1, room(PLAIN, 16, "memory_mb"))
    yield row(
        "a rerun without a prediction: 12 ms of CPU at most",
        12,
        lambda name: alone[name]["CPU of such a rerun"],
        "ms",
    )
    yield row(
        "opening the page: 60 ms at most",
        60,
        lambda name: alone[name]["opening the page, WebSocket included"],
        "ms",
    )
    alone_ms, beside_ms, _ = batch.values()
    yield row(
        "beside a batch of 20,000 rows: a visitor's median 3 x alone at most",
        3,
        only(beside_ms / alone_ms),
    )
    yield row(
        "a million rows: the Feedback page 300 ms at most",
        300,
        only(million["Feedback page, ms"]),
        "ms",
    )
    yield row(
        "a million rows: any insight drawn in a browser 1,000 ms at most",
        1000,
        only(max(ms for what, ms in million.items() if what.endswith("drawn in Chromium, ms"))),
        "ms",
    )
    for what in ("insight", "filtered table"):
        yield row(
            f"a million rows: the slowest {what} 1,000 ms at most",
            1000,
            only(million[f"slowest {what}, ms"]),
            "ms",
        )
    yield row(
        "a million rows: storing a rating 10 ms at most",
        10,
        only(million["record a rating, ms"]),
        "ms",
    )
    yield row(
        "a million rows: export of at least 50,000 rows/s",
        50_000,
        only(million["export, rows/s"]),
        "rows/s",
    )


def machine() -> str:
    """The processor, its cores and memory."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    name = found[1] if found else platform.processor() or platform.machine()
    memory_gb = psutil.virtual_memory().total / 2**30
    return f"{name}, {os.cpu_count()} cores, {memory_gb:.0f} GB"
