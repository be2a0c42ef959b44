"""Two commits: their turns, the trees, and the table."""

import sys
from pathlib import Path

from benchmarks.against import cell, ratio, report
from benchmarks.results import Results
from benchmarks.sides import AFTER, BEFORE, Side, turns
from benchmarks.trees import python_of, requirements
from settings import ROOT


def test_turns_go_in_both_orders() -> None:
    sides = [Side(name, Path(), "python", Path()) for name in "AB"]
    assert "".join(side.name for side in turns(sides, 3)) == "ABBAAB"


def test_cells_have_the_median_and_the_range_or_a_reason() -> None:
    assert cell([3.0, 1.0, 2.0]) == "2.0 (1.0–3.0)"
    assert cell([12345.6]) == "12,346"
    assert cell([2.0, "failed: x"]) == "2.0"
    assert cell(["failed: x"]) == "failed: x"
    assert cell([]) == ""


def test_a_ratio_needs_both_sides() -> None:
    assert ratio({BEFORE: [2.0], AFTER: [6.0]}) == "3.00"
    assert ratio({BEFORE: [0.0], AFTER: [6.0]}) == ""
    assert ratio({BEFORE: ["failed: x"], AFTER: [6.0]}) == ""
    assert ratio({AFTER: [6.0]}) == ""


def test_a_ratio_is_of_turns_in_a_row() -> None:
    """A machine that is busy for a while slows both of a pair, and no ratio."""
    sides: dict[str, list[float | str]] = {BEFORE: [10.0, 40.0, 20.0], AFTER: [11.0, 40.0, 19.0]}
    assert ratio(sides) == "1.00 (0.95–1.10)"


def test_the_table_has_what_was_measured(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.json")
    results.begin("rooms", commit="def5678", machine="Some processor", day="2026-11-28")
    results.add("rooms", "predictions/s", {BEFORE: [20.0, 22.0], AFTER: [21.0]})
    text = report(results, "abc1234")
    assert "| predictions/s | 21.0 (20.0–22.0) | 21.0 | 1.05 |" in text
    assert "before: abc1234" in text


def test_the_same_requirements_need_no_environment_of_their_own(tmp_path: Path) -> None:
    for file in ROOT.glob("requirements*.txt"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert python_of(tmp_path) == sys.executable
    (tmp_path / "requirements.txt").write_text("# Nothing more.\n", encoding="utf-8")
    assert requirements(tmp_path) < requirements(ROOT)
    assert python_of(tmp_path) == sys.executable
    (tmp_path / "requirements.txt").write_text("torch==1.0", encoding="utf-8")
    assert not requirements(tmp_path) <= requirements(ROOT)
