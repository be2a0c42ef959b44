"""Makes jobs and outcomes of their rows."""

import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier, Event
from typing import Any

from feedback import FeedbackLog
from feedback.jobs import Job, JobRow, exclusive, open_job, store
from tests.helpers.entries import entry


def job_of(log: FeedbackLog, name: str = "weekly", **changes: Any) -> Job:
    """The job of that name, opened."""
    values: dict[str, Any] = {
        "source": "reviews.csv",
        "source_kind": "reviews.csv",
        "text_column": "text",
        "key_column": "id",
        "params": {},
    }
    return open_job(log, name=name, **(values | changes))


def job_row(key: str, text: str = "a text", *, number: int = 0, **prediction: Any) -> JobRow:
    """A row with a prediction of its text, which can have other values than usual."""
    made = entry(text, **prediction).prediction
    return JobRow(place=str(number + 1), number=number, key=key, text=text, outcome=made)


def job_rows(numbers: range, text: str = "text {}", **prediction: Any) -> list[JobRow]:
    """Rows with the numbers as keys, each with a prediction."""
    return [
        job_row(str(number), text.format(number), number=number, **prediction) for number in numbers
    ]


def reject(number: int, reason: str = "The text is empty.", **changes: Any) -> JobRow:
    """A row without a prediction."""
    values: dict[str, Any] = {"key": str(number), "text": "", "outcome": reason}
    return JobRow(place=str(number + 1), number=number, **(values | changes))


def store_in_process(url: str, rows: Sequence[JobRow], barrier: Barrier) -> None:
    """Stores rows in groups of 50, when all who wait at the barrier are there."""
    log = FeedbackLog(url)
    job = job_of(log)
    barrier.wait()
    for first in range(0, len(rows), 50):
        store(log, job, rows[first : first + 50])
    log.close()


def hold(url: str, job: Job, holds: Event) -> None:
    """Holds the lock of a job until the process is killed; sets the event once it has it."""
    log = FeedbackLog(url)
    with exclusive(log, job):
        holds.set()
        time.sleep(600)
