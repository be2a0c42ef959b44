"""WriteQueue: entries that are on their way into the log, stored in groups by a thread.

Whoever puts an entry here does not wait for the database; the entry can be found here until it is
in the log. Knows neither pages nor routes.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice
from math import inf
from uuid import UUID

from feedback.errors import FeedbackError, LogUnavailable
from feedback.log import FeedbackLog
from feedback.records import Entry

logger = logging.getLogger(f"tryout.{__name__}")

MAX_WAITING = 20_000  # entries
MAX_GROUP = 500  # entries of one transaction
RETRY_S = 2.0  # between attempts to reach the log
LAST_RETRY_S = 0.5  # the same while `close` waits
LAST_TRIES_S = 10.0  # as long as `close` waits at most


class WriteQueue:
    """Entries in the order in which they came, and the thread that stores them.

    There is no timer: the thread stores at once whatever waits, and while it does, more comes in,
    so that a transaction has as many entries as the load makes them.
    """

    def __init__(self, open_log: Callable[[], FeedbackLog]) -> None:
        """Starts no thread yet; `open_log` is called in the thread and may raise FeedbackError."""
        self._open_log = open_log
        self._waiting: dict[UUID, Entry] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._deadline_s = inf  # of the last attempts
        self.refused = 0  # entries that the log did not take, and that are gone

    def require_room(self) -> None:
        """Raises LogUnavailable if so many entries wait that no more should be made."""
        if len(self._waiting) >= MAX_WAITING:
            raise LogUnavailable(
                f"{len(self._waiting):,} predictions wait for the feedback log, which cannot be "
                "written for now; no more are taken. Try again in a moment."
            )

    def put(self, entries: Sequence[Entry]) -> None:
        """Queues entries and returns at once; after `close` they are lost, with an error line."""
        with self._changed:
            if self._closed.is_set():
                logger.error("%d predictions came after the end and are not stored", len(entries))
                return
            self._waiting |= {entry.prediction.id: entry for entry in entries}
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="write-log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def find(self, prediction_id: UUID) -> Entry | None:
        """The entry of a prediction while it waits; None once it is stored."""
        return self._waiting.get(prediction_id)

    def __len__(self) -> int:
        """The number of entries that wait."""
        return len(self._waiting)

    def close(self) -> None:
        """Stores what waits, for 10 s at most if the log is away, and ends the thread."""
        with self._changed:
            self._deadline_s = time.monotonic() + LAST_TRIES_S
            self._closed.set()
            self._changed.notify_all()
        if self._thread:
            self._thread.join(LAST_TRIES_S)
        if self._waiting:
            logger.error("%d predictions could not be stored", len(self._waiting))

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed.is_set():
                    self._changed.wait()
                group = list(islice(self._waiting.values(), MAX_GROUP))
            if not group:
                return
            try:
                self._store(group)
            except LogUnavailable as error:
                logger.error("%d predictions wait for the log: %s", len(self._waiting), error)
                self._closed.wait(RETRY_S)
                if self._closed.is_set():
                    if time.monotonic() > self._deadline_s:
                        return  # `close` says how many are lost
                    time.sleep(LAST_RETRY_S)

    def _store(self, group: Sequence[Entry]) -> None:
        """Stores entries and forgets them; raises LogUnavailable if that cannot be done now."""
        try:
            self._open_log().add(group, [])
        except LogUnavailable:
            raise
        except Exception as error:  # whatever it is, the thread goes on
            if len(group) > 1:  # an entry of the group is to blame; the others are stored without
                for entry in group:
                    self._store([entry])
                return
            self.refused += 1
            details = None if isinstance(error, FeedbackError) else error
            logger.error(
                "The prediction %s is not stored: %s",
                group[0].prediction.id,
                error,
                exc_info=details,
            )
        with self._changed:
            for entry in group:
                self._waiting.pop(entry.prediction.id, None)
