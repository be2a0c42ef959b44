"""A job of millions of rows takes no more memory in its last minute than in its second."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from settings import ROOT
from tests.helpers.fake_job import write
from tests.helpers.job_commands import ROWS_OF_TEXTS, start, versions

pytestmark = pytest.mark.prove


def memory_mb(process: subprocess.Popen[str]) -> list[tuple[float, float]]:
    """The memory of a process alone (USS) with the seconds since now, until it has ended."""
    started_s, measured = time.monotonic(), []
    while process.poll() is None:
        try:
            used = psutil.Process(process.pid).memory_full_info().uss / 1e6
        except psutil.Error:
            break
        measured.append((time.monotonic() - started_s, used))
        time.sleep(0.5)
    return measured


def highest(measured: list[tuple[float, float]], begin_s: float, end_s: float) -> float:
    return max(mb for at_s, mb in measured if begin_s <= at_s < end_s)


@pytest.mark.parametrize("rows", [5_000_000])
def test_memory_is_flat_over_millions_of_rows(log_url: str, tmp_path: Path, rows: int) -> None:
    source = write(tmp_path / "rows.csv", rows)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.fake_job", str(source), log_url],
        cwd=ROOT,
        text=True,
        stdout=subprocess.DEVNULL,
    )
    measured = memory_mb(process)
    assert process.wait() == 0
    took_s = measured[-1][0]
    second, last = highest(measured, 60, 120), highest(measured, took_s - 60, took_s + 1)
    print(f"{rows:,} rows in {took_s:.0f} s; {second:.0f} MB in minute 2, {last:.0f} MB at the end")
    assert versions(log_url) == rows
    assert last <= 1.1 * second


def test_memory_is_flat_over_rows_of_the_real_model(log_url: str, tmp_path: Path) -> None:
    source = write(tmp_path / "rows.csv", 50_000)
    process = start("run", source, *ROWS_OF_TEXTS, "--name", "real", log_url=log_url)
    measured = memory_mb(process)
    _, err = process.communicate()
    assert process.returncode == 0, err
    took_s = measured[-1][0]
    second, last = highest(measured, 60, 120), highest(measured, took_s - 60, took_s + 1)
    print(f"50,000 rows in {took_s:.0f} s; {second:.0f} MB in minute 2, {last:.0f} MB at the end")
    assert versions(log_url) == 50_000
    assert last <= 1.1 * second
