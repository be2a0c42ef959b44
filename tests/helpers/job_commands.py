"""Sources of rows, and the commands of python -m jobs.batch, for tests."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from feedback import FeedbackLog
from feedback.jobs import exported, find
from settings import ROOT

ROWS_OF_TEXTS = ("--text-column", "text", "--key", "id")
LONGEST_START_S = 120  # of a process that has much else beside it
WORDS = "battery bad day good hate love never nobody phone service the works".split()  # noqa: SIM905


def texts_of(count: int, *, seed: int = 1) -> list[str]:
    """Texts, each another."""
    chance = random.Random(seed)
    return [f"{number} {' '.join(chance.choices(WORDS, k=8))}" for number in range(count)]


def csv_file(file: Path, rows: Iterable[tuple[object, str]]) -> Path:
    """A CSV file with the columns id and text."""
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([("id", "text"), *rows])
    return file


def stored_labels(log: FeedbackLog, name: str) -> dict[str, str]:
    """The newest label of each key of a job; fails for a key that comes twice."""
    job = find(log, name)
    assert job is not None
    pairs = [
        (stored.key, stored.entry.prediction.label)
        for group in exported(log, job)
        for stored in group
    ]
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def versions(log_url: str) -> int:
    """The number of predictions of jobs in a log, of all keys and all versions."""
    log = FeedbackLog(log_url)
    try:
        with log.database.connect() as connection:
            return int(
                connection.execute(sa.text("SELECT count(*) FROM job_predictions")).scalar_one()
            )
    finally:
        log.close()


def start(
    *arguments: object, log_url: str, stdin: str | None = None, **environment: str
) -> subprocess.Popen[str]:
    """A command of jobs.batch in a process group of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.batch", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": log_url, "OMP_WAIT_POLICY": "PASSIVE"} | environment,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if stdin is not None and process.stdin:
        process.stdin.write(stdin)
        process.stdin.close()
        process.stdin = None  # or `communicate` would write to it
    return process


def kill(process: subprocess.Popen[str]) -> None:
    """Kills a process with all of its group, as `kill -9`, and waits for its end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def killed_within(begin: Callable[[], subprocess.Popen[str]], delay_s: float) -> bool:
    """Begins a process and kills it after a time; False if it had ended well before."""
    process = begin()
    deadline_s = time.monotonic() + delay_s
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            _, err = process.communicate()
            assert process.returncode == 0, err
            return False
        time.sleep(0.01)
    kill(process)
    return True


def killed_while_it_stores(
    begin: Callable[[], subprocess.Popen[str]], stored: Callable[[], int], delay_s: float
) -> bool:
    """Begins a process and kills it some time after it has stored anything.

    False if it had ended well before.
    """
    process, before = begin(), stored()
    deadline_s = time.monotonic() + LONGEST_START_S
    while process.poll() is None and stored() == before and time.monotonic() < deadline_s:
        time.sleep(0.05)
    time.sleep(delay_s)
    has_ended = process.poll() == 0
    kill(process)
    return not has_ended
