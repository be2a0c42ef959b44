"""Two commits on one machine, in turns and in both orders, so that its noise is in both.

Only a log of a million rows takes minutes to fill: both sides fill and ask theirs at the same time.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.markdown import table
from benchmarks.parts import MILLION_S, Sizes, clicks_drawn, feedback_page, room
from benchmarks.report import origins
from benchmarks.results import Results
from benchmarks.running import REST, brief, guarded, outcome, parsed, process
from benchmarks.servers import ONNX, TRYOUT
from benchmarks.sides import AFTER, BEFORE, Side, predicting, served, turns
from benchmarks.trees import commit, python_of, resolved, unpacked
from settings import ROOT

VISITORS = 16
ROOM = {
    "per_s": "predictions/s",
    "median_ms": "median, ms",
    "p95_ms": "95 of 100, ms",
    "errors": "errors",
    "memory_mb": "memory, MB",
}
# The turns of each side.
ROOM_TURNS, BROWSER_TURNS, PREDICT_TURNS, FEEDBACK_TURNS = 4, 3, 6, 3
WHOLE_S = 20 * 60  # the million rows come a second time if they fit into it
LOG = "million.db"
Pairs = Iterator[tuple[str, Any]]  # a name, and figures by side or a reason why there are none


@dataclass(frozen=True, slots=True)
class Comparison:
    """The sides, the sizes of what is measured, and the moment of the beginning."""

    sides: Sequence[Side]
    sizes: Sizes = field(default_factory=Sizes)
    started_s: float = field(default_factory=time.perf_counter)

    @property
    def passed_s(self) -> float:
        return time.perf_counter() - self.started_s


def run(name: str, parts: Sequence[str], cache: Path) -> None:
    """Compares a commit with this tree; prints the table and writes it into `cache`."""
    other = resolved(name)
    tree = unpacked(other, cache / "trees")
    python = python_of(tree)
    results, file = Results(cache / f"against-{other}.json"), cache / f"against-{other}.md"
    results.drop(parts)
    try:
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            sides = [
                Side(BEFORE, tree, python, Path(folder, BEFORE)),
                Side(AFTER, ROOT, sys.executable, Path(folder, AFTER)),
            ]
            for side in sides:
                side.folder.mkdir()
            comparison = Comparison(sides)
            for part in parts:
                measure(part, comparison, results)
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
    finally:
        text = report(results, other)
        file.write_text(text, encoding="utf-8")
        print(f"\n{text}\nWritten to {file.relative_to(ROOT)}.")


def measure(part: str, comparison: Comparison, results: Results) -> None:
    """Runs a part; each figure is saved and shown as it comes."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    results.begin(part, commit=commit(), machine=machine.description(), day=day)
    for what, figures in guarded(REST, PARTS[part](comparison)):
        print(f"{comparison.passed_s:4.0f} s  {part}: {what}: {brief(figures)}", flush=True)
        known = results.figures(part).get(what, {})
        for side, figure in (figures if isinstance(figures, dict) else {AFTER: figures}).items():
            results.add(part, what, {side: [*known.get(side, []), figure]})
    results.end(part)


# --- the parts ------------------------------------------------------------------------------------


def rooms(of: Comparison) -> Pairs:
    """Visitors who click without a pause, in rooms of 16."""
    for app in (TRYOUT, ONNX):
        yield from guarded(f"{app}, {VISITORS} visitors", _rooms_of(app, of))


def _rooms_of(app: str, of: Comparison) -> Pairs:
    with served(of.sides, app, "log.db") as servers:
        for side in turns(of.sides, ROOM_TURNS):
            figures = room("tryout", servers[side.name], VISITORS, of.sizes.seconds)
            for key, what in ROOM.items():
                yield f"{app}, {VISITORS} visitors: {what}", {side.name: figures[key]}


def browser(of: Comparison) -> Pairs:
    """A visitor in Chromium, from a click to its card."""
    for app in (TRYOUT, ONNX):
        yield from guarded(f"{app}, a click drawn in Chromium", _browser_of(app, of))


def _browser_of(app: str, of: Comparison) -> Pairs:
    with served(of.sides, app, "log.db") as servers:
        for side in turns(of.sides, BROWSER_TURNS):
            figures = clicks_drawn("tryout", servers[side.name], of.sizes.browser_clicks)
            yield f"{app}, a click drawn in Chromium: median, ms", {side.name: figures["median_ms"]}
            yield f"{app}, a click drawn in Chromium: 95 of 100, ms", {side.name: figures["p95_ms"]}


def offline(of: Comparison) -> Pairs:
    """Texts a second of Model.predict, in the numbers that the model's own trial chooses."""
    for app in (TRYOUT, ONNX):
        yield from guarded(f"Model.predict, {app}", _offline_of(app, of))


def _offline_of(app: str, of: Comparison) -> Pairs:
    with ExitStack() as stack:
        models = {side.name: stack.enter_context(predicting(side, app)) for side in of.sides}
        for side in turns(of.sides, PREDICT_TURNS):
            model = models[side.name]
            yield f"Model.predict, {model.dtype}: texts/s", {side.name: model.texts_per_s()}


def million(of: Comparison) -> Pairs:
    """A log of a million predictions: questions, filters, storing, export, the Feedback page."""
    started_s = of.passed_s
    yield from _logs(of)
    took_s = of.passed_s - started_s
    yield from guarded("Feedback page", _feedback_page(of))
    if of.passed_s + took_s < WHOLE_S:
        yield from _logs(of)


def _logs(of: Comparison) -> Pairs:
    """Fills and asks the logs of both sides at the same time, by the command of each."""
    with ExitStack() as stack:
        finishes = {}
        for side in of.sides:
            log = side.folder / LOG
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(f"{log}{suffix}").unlink()
            command = process("benchmarks.million", str(log), python=side.python, tree=side.tree)
            finishes[side.name] = stack.enter_context(command)
        ends_s = of.passed_s + 2 * MILLION_S
        for name, finish in finishes.items():
            printed, why = finish(ends_s - of.passed_s)
            measured = outcome(partial(parsed, printed, why))
            if isinstance(measured, str):
                measured = {REST: measured}
            for what, figure in measured.items():
                yield f"a million rows: {what}", {name: figure}


def _feedback_page(of: Comparison) -> Pairs:
    with served(of.sides, TRYOUT, LOG) as servers:
        for side in turns(of.sides, FEEDBACK_TURNS):
            for what, figure in feedback_page(servers[side.name]).items():
                yield f"a million rows: {what}", {side.name: figure}


PARTS: dict[str, Callable[[Comparison], Pairs]] = {
    "rooms": rooms,
    "browser": browser,
    "offline": offline,
    "million": million,
}


# --- the report -----------------------------------------------------------------------------------


def report(results: Results, other: str) -> str:
    """A table of medians, and of the ratio in each pair of turns; in brackets the extremes."""
    rows = [
        [what, cell(sides.get(BEFORE, [])), cell(sides.get(AFTER, [])), ratio(sides)]
        for part in PARTS
        for what, sides in results.figures(part).items()
    ]
    columns = ("what", f"before: {other}", "after: this tree", "after / before")
    return "\n".join(
        [
            f"# This tree against {other}",
            "",
            *origins(results),
            "",
            "Medians of several turns, and of the ratios of two turns in a row; in brackets the",
            "lowest and the highest. A ratio whose brackets hold 1.00 is no difference.",
            "",
            *table(columns, rows),
            "",
        ]
    )


def cell(figures: Sequence[float | str]) -> str:
    """The median of the numbers, and their range; else the first reason why there are none."""
    numbers = [figure for figure in figures if not isinstance(figure, str)]
    if not numbers:
        return next((figure for figure in figures if isinstance(figure, str)), "")
    return spread(numbers, "{:,.0f}" if max(map(abs, numbers)) >= 1000 else "{:,.1f}")


def ratio(sides: Mapping[str, Sequence[float | str]]) -> str:
    """The ratio of two turns in a row, the median of it; "" where there are no such two."""
    pairs = zip(sides.get(AFTER, []), sides.get(BEFORE, []), strict=False)
    numbers = [
        after / before
        for after, before in pairs
        if not isinstance(after, str) and not isinstance(before, str) and before
    ]
    return spread(numbers, "{:.2f}") if numbers else ""


def spread(numbers: Sequence[float], how: str) -> str:
    """The median, and the lowest and the highest if there are several."""
    shown = how.format(statistics.median(numbers))
    if len(numbers) > 1:
        shown += f" ({how.format(min(numbers))}–{how.format(max(numbers))})"
    return shown
