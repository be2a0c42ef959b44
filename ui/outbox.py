"""What a session has to store and has not stored yet. Knows no Streamlit.

Every prediction and rating goes through an outbox, so that a database that is away for a moment
loses nothing: it stays here, for as long as the tab is open, until it is stored.
"""

from collections.abc import Callable
from uuid import UUID

from feedback import Entry, FeedbackError, FeedbackLog, Rating


class Outbox:
    """Entries and ratings in the order in which they are to be stored."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Entry, Rating | None]] = []
        self.error = ""

    def put(self, entry: Entry, rating: Rating | None = None) -> None:
        """Queues a rating with its prediction, or a prediction alone."""
        self._waiting.append((entry, rating))

    def send(self, log: Callable[[], FeedbackLog]) -> None:
        """Stores what waits, in order; on a failure keeps the rest and notes it in `error`.

        Storing is idempotent, so it does no harm if this is interrupted and repeated.
        """
        try:
            while self._waiting:
                entry, rating = self._waiting[0]
                log().record(entry)
                if rating:
                    log().rate(rating)
                self._waiting.pop(0)
            self.error = ""
        except FeedbackError as error:
            self.error = str(error)

    def ratings_of(self, prediction_id: UUID) -> list[Rating]:
        """The ratings of a prediction that wait, oldest first."""
        return [r for _, r in self._waiting if r and r.prediction_id == prediction_id]

    def holds(self, prediction_id: UUID) -> bool:
        """Whether the prediction itself, or a rating of it, waits."""
        return any(entry.prediction.id == prediction_id for entry, _ in self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)
