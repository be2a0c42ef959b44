"""Outcomes of rows into the log, exactly once. The step `store` of a job.

Knows no model: it takes what `predict` wrote, or what a run has just predicted.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from errors import TryoutError
from feedback import FeedbackLog
from feedback.jobs import Job, JobRow, Lock, Stored, exclusive, note, open_job, start
from feedback.jobs import store as store_rows
from jobs.batch.chunks import Manifest, read_predictions
from jobs.batch.groups import POLL_S, grouped
from jobs.batch.waiting import once_available

GROUP_ROWS = 2000  # of one transaction
GROUP_S = 1.0  # after which a smaller group is stored
GROUPS_WAITING = 4
LONGEST_AWAY_S = 3600.0


def store(
    manifest_file: Path,
    log: FeedbackLog,
    *,
    stop: threading.Event | None = None,
    on_away: Callable[[str], object] = lambda reason: None,
) -> Stored:
    """Stores the predictions of all chunks of a manifest; a repeated call changes nothing.

    Raises BadManifest if predictions are missing, JobRunning if another process runs the job,
    LogUnavailable if the log is away for an hour, or when `stop` is set.
    """
    folder, manifest = manifest_file.parent, Manifest.read(manifest_file)
    job = open_job(
        log,
        name=manifest.name,
        source=manifest.source,
        source_kind=manifest.source_kind,
        text_column=manifest.text_column,
        key_column=manifest.key_column,
        params=manifest.params,
    )
    with running(log, job) as lock:
        storer = Storer(
            log, job, lock, renewed_before=manifest.renewed_before, stop=stop, on_away=on_away
        )
        with storer:
            for chunk in manifest.chunks:
                for group in grouped(read_predictions(folder, chunk), GROUP_ROWS):
                    storer.put(group)
        once_available(
            lambda: note(log, job, state="done", rows=manifest.rows),
            stop=stop or threading.Event(),
            on_away=on_away,
            longest_s=LONGEST_AWAY_S,
        )
    return storer.counts


@contextmanager
def running(log: FeedbackLog, job: Job) -> Iterator[Lock]:
    """The job as the one that this process runs; what ends the block early is noted.

    Raises JobRunning if another process runs it.
    """
    with exclusive(log, job) as lock:
        start(log, job)
        try:
            yield lock
        except BaseException as error:
            is_signal = isinstance(error, SystemExit | KeyboardInterrupt)
            reason = str(error) if isinstance(error, TryoutError) else "Its output says why."
            with suppress(TryoutError):  # the first error is the one to tell
                note(
                    log,
                    job,
                    state="interrupted" if is_signal else "failed",
                    note="" if is_signal else reason,
                )
            raise


class Storer:
    """A thread that stores groups of outcomes in the order in which they come."""

    def __init__(
        self,
        log: FeedbackLog,
        job: Job,
        lock: Lock,
        *,
        renewed_before: datetime | None,
        stop: threading.Event | None = None,
        on_away: Callable[[str], object] = lambda reason: None,
    ) -> None:
        """`stop` ends a wait for a log that is away; `on_away` is told why it waits, then ""."""
        self.counts = Stored()
        self._log, self._job, self._lock = log, job, lock
        self._renewed_before = renewed_before
        self._stop = stop or threading.Event()
        self._on_away = on_away
        self._groups: queue.Queue[Sequence[JobRow] | None] = queue.Queue(GROUPS_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="store-job", daemon=True)

    def __enter__(self) -> "Storer":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stores the groups that wait; raises what storing them raised, unless the block failed.

        If it did, as by a signal, a log that is away is not waited for.
        """
        if kind is not None:
            self._stop.set()
        self._put(None)
        while self._thread.is_alive():
            self._thread.join(POLL_S)
        if self._error and kind is None:
            raise self._error

    def put(self, group: Sequence[JobRow]) -> None:
        """Queues a group, once there is room; raises what storing an earlier one raised."""
        if self._error:
            raise self._error
        self._put(group)

    def _put(self, group: Sequence[JobRow] | None) -> None:
        # A signal that comes just before a wait without an end is handled only after it.
        while True:
            with suppress(queue.Full):
                return self._groups.put(group, timeout=POLL_S)

    def _work(self) -> None:
        while (group := self._groups.get()) is not None:
            if self._error:
                continue  # whoever puts groups learns of it at the next one
            try:
                self._store(group)
            except BaseException as error:  # noqa: BLE001 - raised in the thread that puts
                self._error = error

    def _store(self, group: Sequence[JobRow]) -> None:
        def ask() -> Stored:
            self._lock.check()
            return store_rows(self._log, self._job, group, renewed_before=self._renewed_before)

        self.counts += once_available(
            ask,
            stop=self._stop,
            on_away=self._on_away,
            longest_s=LONGEST_AWAY_S,
        )


class Grouping:
    """Outcomes in groups for a Storer: of a size, or of what came within a second."""

    def __init__(self, storer: Storer) -> None:
        self._storer = storer
        self._group: list[JobRow] = []
        self._since_s = time.monotonic()

    def add(self, row: JobRow) -> None:
        """Adds an outcome, and puts the group if it is large or old enough."""
        self._group.append(row)
        if len(self._group) >= GROUP_ROWS or time.monotonic() - self._since_s > GROUP_S:
            self.flush()

    def flush(self) -> None:
        """Puts the outcomes that there are."""
        if self._group:
            self._storer.put(self._group)
        self._group, self._since_s = [], time.monotonic()
