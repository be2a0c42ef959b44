"""The lock by which one process at a time runs a job.

On PostgreSQL it is an advisory lock of a connection of its own, on SQLite the lock of a file beside
the database. Both end with the process, however it ends.
"""

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from feedback.errors import JobRunning, LogUnavailable
from feedback.jobs.records import Job
from feedback.log import FeedbackLog

logger = logging.getLogger(f"tryout.{__name__}")

_CLASS = 7409217  # of the advisory locks of jobs; the number of the job is the other half
# Whoever asks if a job runs holds its file for an instant, which is no run.
_TRIES, _TRY_S = 10, 0.02
# A machine that went away without a word is noticed after a minute.
_KEEPALIVE = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}


class Lock:
    """A lock that is held; `check` is called before each transaction of the run."""

    def check(self) -> None:
        """Takes the lock again if it was lost; raises JobRunning if another process has it now."""


class _ServerLock(Lock):
    """An advisory lock of PostgreSQL, lost with its connection."""

    def __init__(self, log: FeedbackLog, job: Job) -> None:
        self._log, self._job = log, job
        self._connection = self._taken()

    def check(self) -> None:
        try:
            self._connection.execute(sa.text("SELECT 1"))
        except sa.exc.SQLAlchemyError:
            logger.warning("The connection that locks a job is lost; the lock is taken again")
            self.release()
            self._connection = self._taken()

    def release(self) -> None:
        with suppress(sa.exc.SQLAlchemyError):
            self._connection.close()

    def _taken(self) -> sa.Connection:
        """A connection that holds the lock; it belongs to no pool, so closing it frees the lock."""
        connection = self._log.database.own_connection()
        try:
            for name, value in _KEEPALIVE.items():
                connection.execute(sa.text(f"SET {name} = {value}"))
            query = sa.select(sa.func.pg_try_advisory_lock(_CLASS, self._job.number))
            if connection.execute(query).scalar_one():
                return connection
        except sa.exc.SQLAlchemyError as error:
            connection.close()
            raise LogUnavailable(
                "The feedback log cannot be reached, so the job cannot be locked. Try again in a "
                "moment."
            ) from error
        connection.close()
        raise JobRunning(self._job.name)


class _FileLock(Lock):
    """The lock of a file, which nobody can take away."""

    def __init__(self, log: FeedbackLog, job: Job) -> None:
        try:
            self._file = os.open(_lock_file(log, job), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise LogUnavailable(
                f"The folder of the feedback log cannot be written ({error.strerror}), so the job "
                "cannot be locked."
            ) from error
        if not _flocked(self._file, fcntl.LOCK_EX, tries=_TRIES):
            os.close(self._file)
            raise JobRunning(job.name)

    def release(self) -> None:
        os.close(self._file)


@contextmanager
def exclusive(log: FeedbackLog, job: Job) -> Iterator[Lock]:
    """The lock of a job, held in the block; raises JobRunning if another process has it."""
    is_server = log.database.name == "postgresql"
    lock = _ServerLock(log, job) if is_server else _FileLock(log, job)
    try:
        yield lock
    finally:
        lock.release()


def is_running(log: FeedbackLog, job: Job) -> bool:
    """True if a process holds the lock of a job."""
    if log.database.name == "postgresql":
        query = sa.text(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND datname = current_database() AND objsubid = 2 "
            "AND classid = :class AND objid = :number AND granted"
        )
        with log.database.connect() as connection:
            values = {"class": _CLASS, "number": job.number}
            return bool(connection.execute(query, values).scalar_one())
    try:
        file = os.open(_lock_file(log, job), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _flocked(file, fcntl.LOCK_SH, tries=1)
    finally:
        os.close(file)


def _flocked(file: int, kind: int, *, tries: int) -> bool:
    """True if the file is locked now, by this process; tries again for an instant."""
    for attempt in range(tries):
        if attempt:
            time.sleep(_TRY_S)
        with suppress(BlockingIOError):
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return True
    return False


def _lock_file(log: FeedbackLog, job: Job) -> Path:
    """A file beside that of the database, which the database knows also if its URL is a URI."""
    with log.database.connect() as connection:
        query = sa.text("SELECT file FROM pragma_database_list WHERE name = 'main'")
        database = Path(connection.execute(query).scalar_one())
    name = hashlib.sha256(job.name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return database.with_name(f"{database.name}.job-{name}.lock")
