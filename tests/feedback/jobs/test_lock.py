"""One process at a time runs a job, and its lock ends with it."""

import multiprocessing
import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from feedback import FeedbackLog
from feedback.errors import JobRunning
from feedback.jobs import Lock, exclusive, is_running
from tests.helpers.databases import sqlite_log
from tests.helpers.jobs import hold, job_of
from tests.helpers.until import until


def test_a_second_run_is_refused_until_the_first_has_ended(log: FeedbackLog) -> None:
    job, other = job_of(log, "a\0\ud800/job"), job_of(log, "other")
    assert not is_running(log, job)
    with exclusive(log, job) as lock:
        assert is_running(log, job)
        assert not is_running(log, other)
        with (
            pytest.raises(JobRunning, match="is being run by another process"),
            exclusive(log, job),
        ):
            pytest.fail("two run at once")
        with exclusive(log, other):
            lock.check()
    assert not is_running(log, job)
    with exclusive(log, job):
        assert is_running(log, job)


def test_the_lock_ends_with_a_process_that_is_killed(log_url: str) -> None:
    log = FeedbackLog(log_url)
    job = job_of(log)
    context = multiprocessing.get_context("spawn")
    holds = context.Event()
    process = context.Process(target=hold, args=(log_url, job, holds))
    process.start()
    assert holds.wait(60)
    assert is_running(log, job)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    until(lambda: not is_running(log, job))
    with exclusive(log, job) as lock:
        lock.check()
    log.close()


def test_asking_if_it_runs_keeps_nobody_from_running_it(sqlite_log: FeedbackLog) -> None:
    job = job_of(sqlite_log)
    with exclusive(sqlite_log, job):
        assert all(is_running(sqlite_log, job) for _ in range(20))
    for _ in range(20):
        assert not is_running(sqlite_log, job)
        with exclusive(sqlite_log, job):
            pass


@pytest.mark.postgres
@pytest.mark.parametrize("taken", [False, True])
def test_a_lock_that_was_lost_is_taken_again_or_given_up(
    request: pytest.FixtureRequest, taken: bool
) -> None:
    server = request.getfixturevalue("postgres_server")
    with server.database(template=server.TEMPLATE) as url, ExitStack() as stack:
        log = FeedbackLog(url)
        stack.callback(log.close)
        job = job_of(log)
        lock: Lock = stack.enter_context(exclusive(log, job))
        with log.database.connect() as connection:
            locks = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            assert connection.execute(sa.text(locks)).scalar_one()
        until(lambda: not is_running(log, job))
        if taken:
            with exclusive(log, job), pytest.raises(JobRunning):
                lock.check()
        else:
            lock.check()
            assert is_running(log, job)


def test_the_file_of_the_lock_is_beside_a_database_that_a_uri_names(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    sqlite_log(path)
    log = FeedbackLog(f"sqlite:///file:{path}?uri=true")
    with exclusive(log, job_of(log)):
        assert list(tmp_path.glob("log.db.job-*.lock"))
    log.close()
