"""Measures Tryout beside the usual ways to demo a model, or two commits of it in turns.

make bench                    all parts; the section of this kind of processor in RESULTS.md
make bench ONLY=rooms,alone   some parts; RESULTS.md follows when the others are measured too
make bench AGAINST=COMMIT     rooms of 16, browser, offline and million of COMMIT and of this tree,
                              in turns, as a table in .cache/bench; ONLY chooses among the four
make bench QUICK=1            a trial of all measurements with small numbers; RESULTS.md stays
python -m benchmarks.gpu      the model on a CUDA GPU; prints its section of RESULTS.md

All on one machine, one after the other: the same model, the same real texts, visitors who click
without a pause over each server's own protocol, and one in a real browser. Each figure is saved
in .cache/bench as it comes; what fails or is too slow has the reason in the place of its figure.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import against, machine
from benchmarks.parts import PARTS, QUICK, Bench, Sizes
from benchmarks.report import section, with_section
from benchmarks.results import Results
from benchmarks.running import REST, brief, guarded
from benchmarks.trees import commit
from settings import ROOT

CACHE = ROOT / ".cache" / "bench"
RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    given = arguments(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit, like Ctrl+C
    CACHE.mkdir(parents=True, exist_ok=True)
    if given.against:
        against.run(given.against, given.parts, CACHE)
    else:
        run(given.parts, quick=given.quick)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line, with `parts` chosen by name; ends the process if it names no part."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        epilog="Parts:\n" + "\n".join(f"  {name:8} {part.__doc__}" for name, part in PARTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="PARTS", default="", help="names, with commas")
    parser.add_argument("--against", metavar="COMMIT", default="", help="a commit to compare with")
    parser.add_argument("--quick", action="store_true", help="small numbers, no RESULTS.md")
    given = parser.parse_args(words)
    if given.against and given.quick:
        parser.error("a comparison has its own numbers; leave QUICK out")
    try:
        given.parts = selected(given.only, against.PARTS if given.against else PARTS)
    except ValueError as error:
        parser.error(str(error))
    return given


def selected(only: str, parts: Mapping[str, Any]) -> list[str]:
    """Those of `parts` that `only` names, in the order of `parts`; all of them if it is empty.

    Raises ValueError for a name that is none of them.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in parts:
            raise ValueError(f"{name} is no part; choose among {', '.join(parts)}.")
    return [part for part in parts if part in names or not names]


def run(parts: Sequence[str], *, quick: bool) -> None:
    """Measures these parts, and reports all that is saved of this kind of processor."""
    kind = machine.kind()
    results = Results(CACHE / f"{'quick' if quick else kind.replace(' ', '-')}.json")
    results.drop(parts)
    try:
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            bench = Bench(Path(folder), QUICK if quick else Sizes())
            for part in parts:
                measure(part, bench, results)
    except KeyboardInterrupt:
        sys.exit(f"Interrupted. Measured so far: {', '.join(results.parts) or 'nothing'}.")
    finally:
        publish(results, kind, is_whole=not quick)


def measure(part: str, bench: Bench, results: Results) -> None:
    """Runs a part; each figure is saved and shown as it comes."""
    started_s = time.perf_counter()
    facts = {"commit": commit(), "machine": machine.description()}
    results.begin(part, day=f"{datetime.now(UTC):%Y-%m-%d}", **facts)
    for key, value in guarded(REST, PARTS[part](bench)):
        results.add(part, key, value)
        passed_s = time.perf_counter() - started_s
        print(f"{passed_s:4.0f} s  {part}: {key}: {brief(value)}", flush=True)
    results.end(part)


def publish(results: Results, kind: str, *, is_whole: bool) -> None:
    """Prints the section; it takes its place in RESULTS.md as soon as no part is missing."""
    text = section(results, kind)
    print(f"\n## {kind}\n\n{text}")
    (CACHE / "report.md").write_text(f"## {kind}\n\n{text}", encoding="utf-8")
    missing = results.missing(list(PARTS))
    if not is_whole:
        print("A trial: RESULTS.md stays as it is.")
    elif missing:
        print(f"RESULTS.md stays as it is until make bench ONLY={','.join(missing)} is done.")
    else:
        old = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else ""
        RESULTS.write_text(with_section(old, kind, text), encoding="utf-8")
        print(f"RESULTS.md: the section {kind} is new.")


if __name__ == "__main__":
    main()
