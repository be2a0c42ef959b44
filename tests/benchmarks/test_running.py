"""A measurement that fails or is too slow costs a bounded time and gives the reason."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.running import (
    REST,
    NotMeasured,
    done,
    guarded,
    outcome,
    parsed,
    process,
    reason,
    within,
)
from tests.helpers.until import until


def test_a_failure_is_a_sentence_and_a_figure_is_itself() -> None:
    def fails() -> float:
        raise OSError("no such app\nand more")

    def skips() -> float:
        raise NotMeasured("skipped: a reason")

    assert outcome(lambda: 1.5) == 1.5
    assert outcome(fails) == "failed: OSError: no such app"
    assert outcome(skips) == "skipped: a reason"


def test_pairs_before_a_failure_stay() -> None:
    def pairs() -> Iterator[tuple[str, Any]]:
        yield "a", 1
        raise ValueError("broken")

    assert list(guarded("rest", pairs())) == [("a", 1), ("rest", "failed: ValueError: broken")]


def test_ctrl_c_is_no_failure() -> None:
    def pairs() -> Iterator[tuple[str, Any]]:
        yield "a", 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(guarded("rest", pairs()))


def test_the_last_line_on_stderr_that_is_no_frame_is_the_reason() -> None:
    assert reason("Traceback\nError: no answer\n    at eval (1:2)\n") == "failed: Error: no answer"
    assert reason("Traceback\n  …\nValueError: bad\n\n") == "failed: ValueError: bad"
    assert reason("too slow: 3 of 8 visitors") == "too slow: 3 of 8 visitors"
    assert reason("") == "failed: it gave no reason"


def test_the_last_json_counts_and_a_reason_is_the_rest() -> None:
    printed = 'loading\n{"a": 1.0}\n{"a": 1.0, "b": 2.0}\nbye'
    assert parsed(printed, "") == {"a": 1.0, "b": 2.0}
    assert parsed(printed, "failed: x") == {"a": 1.0, "b": 2.0, REST: "failed: x"}
    with pytest.raises(NotMeasured, match="failed: x"):
        parsed("loading", "failed: x")
    with pytest.raises(NotMeasured, match="no figures"):
        parsed("loading", "")


def module(folder: Path, code: str) -> Path:
    """A folder with a module `measured` in it."""
    (folder / "measured.py").write_text(code, encoding="utf-8")
    return folder


def test_a_process_that_fails_says_why_and_what_it_printed_stays(tmp_path: Path) -> None:
    code = 'print(\'{"a": 1.0}\', flush=True)\nraise SystemExit("too slow: 1 of 2")'
    with process("measured", tree=module(tmp_path, code)) as finish:
        assert finish(20) == ('{"a": 1.0}\n', "too slow: 1 of 2")
    with pytest.raises(NotMeasured, match="too slow: 1 of 2"):
        done("measured", limit_s=20, tree=tmp_path)


def test_a_process_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('child.new', 'w').write(str(child.pid))\n"
        "os.rename('child.new', 'child')\n"
        "time.sleep(60)\n"
    )
    with process("measured", tree=module(tmp_path, code)) as finish:
        until((tmp_path / "child").is_file)
        assert finish(0.1) == ("", "too slow: not done within 0 s")
    child = Path("/proc", (tmp_path / "child").read_text(), "stat")
    until(lambda: not child.exists() or child.read_text().split()[2] == "Z")


def test_settings_of_tryout_stay_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__ID", "another")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///another.db")
    code = "import os; print([k for k in os.environ if 'TRYOUT' in k or 'DATABASE' in k])"
    with process("measured", tree=module(tmp_path, code)) as finish:
        assert finish(20) == ("[]\n", "")


def test_what_hangs_is_left_alone() -> None:
    within(5, lambda: None)
    with pytest.raises(ValueError, match="bad"):
        within(5, lambda: int("bad"))
    with pytest.raises(NotMeasured, match="too slow: not done within 0 s"):
        within(0.1, lambda: time.sleep(2))
