"""The thread that stores groups, and its end while the log is away."""

import sqlite3
from pathlib import Path

import pytest

from feedback import FeedbackLog
from feedback.jobs import exclusive
from jobs.batch.storing import Storer
from tests.helpers.jobs import job_of, job_rows
from tests.helpers.until import until


def test_a_signal_ends_a_wait_for_a_log_that_is_away(
    sqlite_log: FeedbackLog, tmp_path: Path
) -> None:
    job, reasons = job_of(sqlite_log), list[str]()
    other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    with exclusive(sqlite_log, job) as lock:
        other.execute("BEGIN IMMEDIATE")
        storer = Storer(sqlite_log, job, lock, renewed_before=None, on_away=reasons.append)

        def put_until_a_signal() -> None:
            with storer:
                for first in range(0, 40, 10):
                    storer.put(job_rows(range(first, first + 10)))
                until(lambda: bool(reasons))
                raise SystemExit(143)

        with pytest.raises(SystemExit):
            put_until_a_signal()
        other.execute("ROLLBACK")
    other.close()
    assert "cannot be reached" in reasons[0]
    assert storer.counts.new == 0
