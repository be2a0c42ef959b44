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

    @cached_property
    def ratings(self) -> DataLoader[UUID, list[Rating]]:
        """The ratings by the id of their prediction: one question for all that a document has."""
        return DataLoader(self._load_ratings)

    async def _load_ratings(self, ids: list[UUID]) -> list[list[Rating]]:
        each = await self.ask_log(lambda log: log.ratings_of_each(ids))
        return [each[prediction_id] for prediction_id in ids]


Info = strawberry.Info[Context, None]
