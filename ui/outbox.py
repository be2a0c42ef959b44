"""What a session has to store and has not stored yet. Knows no Streamlit.

Every prediction, rating and preference goes through an outbox, so that a database that is away
for a moment loses nothing: it stays here, for as long as the tab is open, until it is stored.

Streamlit starts a session's next run before the last one has stopped, so two runs can be in here
at once: whatever reads and then stores does both under one lock.
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

RETRY_S = 5.0  # a database that is locked costs a visitor seconds for each attempt
OpenLog = Callable[[], FeedbackLog]


@dataclass(frozen=True, slots=True)
class Ratings:
    """The ratings of one prediction: the reviewer's own, the others', and why those are missing."""

    mine: Rating | None
    others: tuple[Rating, ...] = ()
    error: str = ""


class Outbox:
    """Entries, ratings and preferences in the order in which they are to be stored."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: list[tuple[Entry, Rating | Preference | None]] = []
        # The session's own newest ratings by prediction and reviewer, for when the log is away.
        self._own: dict[tuple[UUID, str], tuple[Entry, Rating]] = {}
        self._new: UUID | None = None
        self._tried_s = 0.0
        self._samplings: dict[UUID, Sampling] = {}  # how a queue chose what is rated first
        self.error = ""

    def put(self, entry: Entry) -> None:
        """Queues a new prediction, which nobody can have rated."""
        with self._lock:
            self._waiting.append((entry, None))
            self._new = entry.prediction.id

    def note_sampling(self, prediction_id: UUID, sampling: Sampling) -> None:
        """Notes how a queue chose a prediction, for its first rating; "" forgets it."""
        with self._lock:
            self._samplings[prediction_id] = sampling

    def revise(self, entry: Entry, reviewer: str, log: OpenLog, **changes: Any) -> None:
        """Stores `changes` to what `reviewer` said last of `entry`, or a first rating."""
        with self._lock:
            newest = self.newest(entry, reviewer, log)
            if newest is None and changes.get("retracted"):
                return
            said = newest or Rating(
                id=new_id(),
                prediction_id=entry.prediction.id,
                created_at=now(),
                reviewer=reviewer,
                verdict="down",  # corrections and comments are asked for on thumbs down only
                sampling=self._samplings.get(entry.prediction.id, ""),
            )
            self._add(entry, replace(said, id=new_id(), created_at=now(), **changes))
            self.send(log)

    def prefer(self, entry: Entry, preference: Preference, log: OpenLog) -> None:
        """Stores which of two predictions is better; `entry` is one, and both were put here."""
        with self._lock:
            self._waiting.append((entry, preference))
            self.send(log)

    def rename(self, old: str, new: str, log: OpenLog) -> None:
        """Moves what this session rated as `old` to `new`: they are one reviewer, not two."""
        with self._lock:
            for (_, reviewer), (entry, _) in list(self._own.items()):
                # Asked for, as another tab of the same visit may have said more since.
                if reviewer == old != new and (said := self.newest(entry, old, log)):
                    for changes in ({"retracted": True}, {"reviewer": new}):
                        self._add(entry, replace(said, id=new_id(), created_at=now(), **changes))
            self.send(log)

    def newest(self, entry: Entry, reviewer: str, log: OpenLog) -> Rating | None:
        """What `reviewer` said last of `entry` and did not retract, waiting ratings included."""
        return self.ratings_of(entry, reviewer, log).mine

    def ratings_of(self, entry: Entry, reviewer: str, log: OpenLog) -> Ratings:
        """What was said of `entry`, in one question to the log, or none if it is new."""
        with self._lock:
            if entry.prediction.id == self._new:
                self._new = None
                return Ratings(None)
            key = (entry.prediction.id, reviewer)
            stored: dict[str, Rating] = {}
            error = ""
            try:
                stored = {r.reviewer: r for r in log().ratings_of(entry.prediction.id)}
            except FeedbackError as failed:
                error = str(failed)  # then what this session knows has to do
            else:
                if not any(
                    isinstance(r, Rating) and (r.prediction_id, r.reviewer) == key
                    for _, r in self._waiting
                ):
                    self._own.pop(key, None)
                    if reviewer in stored:
                        self._own[key] = (entry, stored[reviewer])
            _, rating = self._own.get(key, (None, None))
            mine = None if rating is None or rating.retracted else rating
            others = tuple(rating for name, rating in stored.items() if name != reviewer)
            return Ratings(mine, others, error)

    def send(self, log: OpenLog) -> None:
        """Stores what waits, in order; notes in `error` why something had to stay.

        Storing is idempotent, so it does no harm if this breaks off and is repeated.
        """
        with self._lock:
            self.error, self._tried_s = "", time.monotonic()
            for item in list(self._waiting):
                entry, said = item
                try:
                    log().record(entry)
                    if isinstance(said, Rating):
                        log().rate(said)
                    elif said:
                        record_preference(log(), said)
                    self._waiting.remove(item)
                except FeedbackError as error:
                    self.error = str(error)
                    if isinstance(error, LogUnavailable):
                        return  # the rest would fail too, each after a wait

    @property
    def is_due(self) -> bool:
        """Whether something waits and it is time to send it; after a failure that takes a while."""
        again = not self.error or time.monotonic() - self._tried_s > RETRY_S
        return bool(self._waiting) and again

    def holds(self, prediction_id: UUID) -> bool:
        """Whether the prediction itself, or a rating of it, waits."""
        with self._lock:
            return any(entry.prediction.id == prediction_id for entry, _ in self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def _add(self, entry: Entry, rating: Rating) -> None:
        self._waiting.append((entry, rating))
        self._own[rating.prediction_id, rating.reviewer] = (entry, rating)
