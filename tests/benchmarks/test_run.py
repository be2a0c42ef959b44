"""The command: parts by name, and a report whatever happens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import run
from benchmarks.parts import PARTS


@pytest.mark.parametrize(
    ("only", "parts"),
    [
        (
            "",
            [
                "rooms",
                "browser",
                "alone",
                "offline",
                "million",
                "batch",
                "service",
                "remote",
                "jobs",
                "job_run",
                "long_job",
            ],
        ),
        ("rooms", ["rooms"]),
        ("million, rooms", ["rooms", "million"]),
    ],
)
def test_parts_are_chosen_by_name_and_run_in_their_order(only: str, parts: list[str]) -> None:
    assert run.selected(only, PARTS) == parts


def test_an_unknown_part_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ValueError, match="room is no part; choose among rooms, browser"):
        run.selected("room", PARTS)


def test_a_comparison_has_four_parts(capsys: pytest.CaptureFixture[str]) -> None:
    given = run.arguments(["--against", "abc1234"])
    assert given.parts == ["rooms", "browser", "offline", "million"]
    with pytest.raises(SystemExit):
        run.arguments(["--against", "abc1234", "--only", "batch"])
    assert "batch is no part" in capsys.readouterr().err


def rooms(bench: Any) -> Iterator[tuple[str, Any]]:
    yield "Tryout", {"1": "too slow: 0 of 1"}


def batch(bench: Any) -> Iterator[tuple[str, Any]]:
    yield "rows", 10
    raise OSError("the disk is full")


def interrupted(bench: Any) -> Iterator[tuple[str, Any]]:
    yield "rows", 10
    raise KeyboardInterrupt


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache and a RESULTS.md of its own, two parts, and no git."""
    monkeypatch.setattr(run, "CACHE", tmp_path)
    monkeypatch.setattr(run, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(run, "commit", lambda: "abc1234")

    monkeypatch.setattr(run, "PARTS", {"rooms": rooms, "batch": batch})
    return tmp_path


def test_a_part_that_breaks_keeps_the_others(bench: Path) -> None:
    run.run(["rooms", "batch"], quick=False)
    text = (bench / "RESULTS.md").read_text(encoding="utf-8")
    assert "| Tryout | 1 | too slow: 0 of 1 |" in text
    assert "| the rest | failed: OSError: the disk is full |" in text


def test_results_follow_when_the_last_part_is_measured(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.run(["rooms"], quick=False)
    assert not (bench / "RESULTS.md").exists()
    assert "until make bench ONLY=batch is done" in capsys.readouterr().out
    run.run(["batch"], quick=False)
    assert "| Tryout | 1 |" in (bench / "RESULTS.md").read_text(encoding="utf-8")


def test_a_trial_leaves_results_alone(bench: Path) -> None:
    run.run(["rooms", "batch"], quick=True)
    assert not (bench / "RESULTS.md").exists()
    assert "| Tryout | 1 |" in (bench / "report.md").read_text(encoding="utf-8")


def test_an_interrupted_run_reports_what_it_has(
    bench: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "PARTS", {"rooms": rooms, "batch": interrupted})
    with pytest.raises(SystemExit, match="Interrupted"):
        run.run(["rooms", "batch"], quick=False)
    assert "| Tryout | 1 | too slow: 0 of 1 |" in capsys.readouterr().out
    assert not (bench / "RESULTS.md").exists()
