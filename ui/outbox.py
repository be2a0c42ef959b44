"""The predictions, ratings and preferences that a session has not stored yet. Knows no Streamlit.

Each of them goes through an outbox, so that nothing is lost if the database is away for a moment:
it stays here until it is stored, as long as the tab is open.

Streamlit starts a session's next run before the last run has stopped, so two can be in here at
once: a method that reads and then stores does both under one lock.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from feedback import Entry, FeedbackError, FeedbackLog, LogUnavailable, Rating
from feedback.preferences import Preference, record_preference
from feedback.records import Sampling
from model.prediction import new_id, now

RETRY_S = 5.0  # an attempt on a locked database costs the visitor seconds
OpenLog = Callable[[], FeedbackLog]


@dataclass(frozen=True, slots=True)
class Ratings:
    """The ratings of a prediction: the reviewer's own, and the others' or why they are missing."""

    mine: Rating | None
    others: tuple[Rating, ...] = ()
    error: str = ""


class Outbox:
    """Entries, ratings and preferences in the order in which they are to be stored."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: list[tuple[Entry, Rating | Preference | None]] = []
        # The session's own newest ratings by prediction and reviewer, for while the log is away.
        self._own: dict[tuple[UUID, str], tuple[Entry, Rating]] = {}
        self._new: UUID | None = None
        self._tried_s = 0.0
        self._samplings: dict[UUID, Sampling] = {}  # of predictions that a queue chose
        self.error = ""

    def put(self, entry: Entry) -> None:
        """Queues a new prediction, which nobody can have rated yet."""
        with self._lock:
            self._waiting.append((entry, None))
            self._new = entry.prediction.id

    def note_sampling(self, prediction_id: UUID, sampling: Sampling) -> None:
        """Notes the sampling of a prediction for its first rating; "" forgets it."""
        with self._lock:
            self._samplings[prediction_id] = sampling

    def revise(self, entry: Entry, reviewer: str, log: OpenLog, **changes: Any) -> None:
        """Stores the newest rating of `entry` by `reviewer` with `changes`, or a first rating."""
        with self._lock:
            newest = self.newest(entry, reviewer, log)
            if newest is None and changes.get("retracted"):
                return
            rating = newest or Rating(
                id=new_id(),
                prediction_id=entry.prediction.id,
                created_at=now(),
                reviewer=reviewer,
                verdict="down",  # corrections and comments are asked for on thumbs down only
                sampling=self._samplings.get(entry.prediction.id, ""),
            )
            self._add(entry, replace(rating, id=new_id(), created_at=now(), **changes))
            self.send(log)

    def prefer(self, entry: Entry, preference: Preference, log: OpenLog) -> None:
        """Stores which of two predictions is better; both were put here, the second in `entry`."""
        with self._lock:
            self._waiting.append((entry, preference))
            self.send(log)

    def rename(self, old: str, new: str, log: OpenLog) -> None:
        """Moves this session's ratings by `old` to `new`: they are one reviewer, not two."""
        with self._lock:
            for (_, reviewer), (entry, _) in list(self._own.items()):
                # Read again, as another tab of the same visit may have stored a newer rating.
                if reviewer == old != new and (rating := self.newest(entry, old, log)):
                    for changes in ({"retracted": True}, {"reviewer": new}):
                        self._add(entry, replace(rating, id=new_id(), created_at=now(), **changes))
            self.send(log)

    def newest(self, entry: Entry, reviewer: str, log: OpenLog) -> Rating | None:
        """The newest rating of `entry` by `reviewer`, stored or waiting; None if retracted."""
        return self.ratings_of(entry, reviewer, log).mine

    def ratings_of(self, entry: Entry, reviewer: str, log: OpenLog) -> Ratings:
        """The ratings of `entry`, read by a query of the log, or without if the entry is new."""
        with self._lock:
            if entry.prediction.id == self._new:
                self._new = None
                return Ratings(None)
            key = (entry.prediction.id, reviewer)
            stored: dict[str, Rating] = {}
            error = ""
            try:
                ratings = log().ratings_of(entry.prediction.id)
                stored = {rating.reviewer: rating for rating in ratings}
            except FeedbackError as failed:
                error = str(failed)  # the session's own rating can still be shown
            else:
                if not any(
                    isinstance(item, Rating) and (item.prediction_id, item.reviewer) == key
                    for _, item in self._waiting
                ):
                    self._own.pop(key, None)
                    if reviewer in stored:
                        self._own[key] = (entry, stored[reviewer])
            _, rating = self._own.get(key, (None, None))
            mine = None if rating is None or rating.retracted else rating
            others = tuple(rating for name, rating in stored.items() if name != reviewer)
            return Ratings(mine, others, error)

    def send(self, log: OpenLog) -> None:
        """Stores all that waits, in order; notes in `error` why something had to stay.

        Storing is idempotent, so it does no harm if this breaks off and is repeated.
        """
        with self._lock:
            self.error, self._tried_s = "", time.monotonic()
            for item in list(self._waiting):
                entry, judgement = item
                try:
                    log().record(entry)
                    if isinstance(judgement, Rating):
                        log().rate(judgement)
                    elif judgement:
                        record_preference(log(), judgement)
                    self._waiting.remove(item)
                except FeedbackError as error:
                    self.error = str(error)
                    if isinstance(error, LogUnavailable):
                        return  # the rest would fail too, each after a wait

    @property
    def is_due(self) -> bool:
        """True if something waits to be stored and the last attempt, if it failed, is 5 s ago."""
        may_try = not self.error or time.monotonic() - self._tried_s > RETRY_S
        return bool(self._waiting) and may_try

    def holds(self, prediction_id: UUID) -> bool:
        """True if the prediction itself, or a rating of it, is not stored yet."""
        with self._lock:
            return any(entry.prediction.id == prediction_id for entry, _ in self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def _add(self, entry: Entry, rating: Rating) -> None:
        self._waiting.append((entry, rating))
        self._own[rating.prediction_id, rating.reviewer] = (entry, rating)
