"""Context: all that the fields of a document need, made anew for each request. Knows no schema."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from feedback import FeedbackLog, Rating
from serving.access import Caller, Scope
from serving.errors import TooLarge
from serving.service import Service

MAX_ROWS = 100  # predictions that a document may read or make
MAX_RATINGS = 5000  # of its predictions, each as often as the document has it
MAX_STATISTICS = 24  # all of two models
T = TypeVar("T")


@dataclass
class Context:
    """The service, the client and its rights, and the rows that the document has used up.

    With `closes_log` the log needs a key that may export; with `logs` False the client asks that
    nothing is stored. `random_share` is the share of predictions that the review queue draws.
    """

    service: Service
    caller: Caller
    closes_log: bool
    random_share: float
    logs: bool
    operation_name: str | None
    _rows: int = field(default=0, init=False)
    _ratings: int = field(default=0, init=False)
    _statistics: int = field(default=0, init=False)

    def require(self, scope: Scope) -> None:
        """Raises Forbidden or Unauthorized unless the client may do this."""
        self.caller.require(scope, closed=scope == "export" and self.closes_log)

    def take(self, rows: int) -> None:
        """Raises TooLarge if all fields so far ask for more rows than a document may."""
        self._rows += rows
        if self._rows > MAX_ROWS:
            raise TooLarge(
                f"More than {MAX_ROWS} predictions in a document. Send several requests."
            )

    async def ask_log(self, question: Callable[[FeedbackLog], T]) -> T:
        """The answer of the log; raises as `require` does, and LogUnavailable."""
        self.require("export")
        return await self.service.ask_log(question)

    async def ask_statistics(self, question: Callable[[FeedbackLog], T]) -> T:
        """The answer of the log as `ask_log` has it; raises TooLarge if there were too many.

        A question can read the whole log, and an alias repeats it.
        """
        self._statistics += 1
        if self._statistics > MAX_STATISTICS:
            raise TooLarge(
                f"More than {MAX_STATISTICS} statistics in a document. Send several requests."
            )
        return await self.ask_log(question)

    async def ratings_of(self, prediction_id: UUID) -> list[Rating]:
        """The ratings of a prediction; raises as `ask_log`, and TooLarge if there are too many."""
        ratings = await self._ratings_by_id.load(prediction_id)
        self._ratings += len(ratings)
        if self._ratings > MAX_RATINGS:
            raise TooLarge(f"More than {MAX_RATINGS:,} ratings. Ask for fewer predictions at once.")
        return ratings

    @cached_property
    def _ratings_by_id(self) -> DataLoader[UUID, list[Rating]]:
        """The ratings by the id of their prediction: one question for all that a document has."""
        return DataLoader(self._load_ratings)

    async def _load_ratings(self, ids: list[UUID]) -> list[list[Rating]]:
        each = await self.ask_log(lambda log: log.ratings_of_each(ids))
        return [each[prediction_id] for prediction_id in ids]


Info = strawberry.Info[Context, None]
