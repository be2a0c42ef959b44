"""Figures are saved as they come."""

from pathlib import Path

import pytest

from benchmarks.results import Results
from benchmarks.running import NotMeasured

FACTS = {"commit": "abc1234", "machine": "Some processor", "day": "2026-11-28"}


def test_each_figure_is_in_the_file_at_once(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "results.json"
    results = Results(file)
    results.begin("rooms", **FACTS)
    results.add("rooms", "Tryout", {"1": {"per_s": 40.0}})
    results.add("rooms", "Tryout", {"16": "too slow: why"})

    read = Results(file)
    assert read.figures("rooms") == {"Tryout": {"1": {"per_s": 40.0}, "16": "too slow: why"}}
    assert read.missing(["rooms", "alone"]) == ["rooms", "alone"]

    results.end("rooms")
    assert Results(file).missing(["rooms", "alone"]) == ["alone"]


def test_a_reason_takes_the_place_of_figures(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.json")
    results.begin("offline", **FACTS)
    results.add("offline", "bfloat16", "skipped: slow here")
    assert results.figures("offline") == {"bfloat16": "skipped: slow here"}


def test_parts_that_are_measured_anew_are_dropped(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.json")
    for part in ("rooms", "alone"):
        results.begin(part, **FACTS)
        results.end(part)
    results.drop(["rooms", "million"])
    assert list(Results(tmp_path / "results.json").parts) == ["alone"]


def test_only_a_number_is_a_number(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.json")
    results.begin("rooms", **FACTS)
    results.add("rooms", "Tryout", {"1": {"per_s": 40.0}, "16": "too slow: why"})
    assert results.number("rooms", "Tryout", "1", "per_s") == 40
    for path in (("Tryout", "16", "per_s"), ("Tryout", "16"), ("Gradio",), ("Tryout", "1")):
        with pytest.raises(NotMeasured):
            results.number("rooms", *path)
    with pytest.raises(NotMeasured):
        results.number("alone", "Tryout")
