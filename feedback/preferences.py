"""Choices between two predictions for one input: stored, counted, exported.

Append-only, like ratings.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from feedback.errors import FeedbackError
from feedback.log import FeedbackLog
from feedback.records import ModelRevision
from feedback.statistics import sign_test
from feedback.tables import ROWS_AT_ONCE, predictions, preferences
from feedback.totals import upsert
from files.csv_writer import csv_pieces
from files.escape import spreadsheet_cell

Better = Literal["first", "second", "neither"]
_first, _second = predictions.alias("first"), predictions.alias("second")
_joined = preferences.join(_first, preferences.c.first_id == _first.c.id).join(
    _second, preferences.c.second_id == _second.c.id
)
_EXPORTED: dict[str, sa.ColumnElement[Any]] = {
    "preference_id": preferences.c.id,
    "created_at": preferences.c.created_at,
    "reviewer": preferences.c.reviewer,
    "better": preferences.c.better,
    "first_model_id": _first.c.model_id,
    "first_model_revision": _first.c.model_revision,
    "first_label": _first.c.label,
    "second_model_id": _second.c.model_id,
    "second_model_revision": _second.c.model_revision,
    "second_label": _second.c.label,
    "input": _first.c.input,
    "first_prediction_id": preferences.c.first_id,
    "second_prediction_id": preferences.c.second_id,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A choice between two predictions, in the order in which they were shown."""

    id: UUID
    created_at: datetime
    reviewer: str
    first_id: UUID
    second_id: UUID
    better: Better


@dataclass(frozen=True, slots=True)
class Standing:
    """The number of choices for a model (`wins`), for another (`losses`), and for neither."""

    model: ModelRevision
    other: ModelRevision
    wins: int
    losses: int
    ties: int

    @property
    def decided(self) -> int:
        """The number of choices for one of the two."""
        return self.wins + self.losses

    @property
    def total(self) -> int:
        return self.decided + self.ties

    @property
    def p(self) -> float:
        """The sign test's p: the probability of so uneven a split if neither is better."""
        return sign_test(self.wins, self.losses)


def record_preference(log: FeedbackLog, preference: Preference) -> None:
    """Stores a choice; a repeated call with its id changes nothing.

    Raises FeedbackError if one of its predictions is not in the log, and LogUnavailable.
    """
    values = {column.name: getattr(preference, column.name) for column in preferences.columns}
    wanted = [preference.first_id, preference.second_id]
    with log.database.connect(write=True) as connection:
        there = sa.select(predictions.c.id).where(predictions.c.id.in_(wanted))
        if missing := set(wanted) - set(connection.execute(there).scalars()):
            raise FeedbackError(f"There is no prediction {missing.pop()} to prefer another to.")
        upsert(connection, preferences, values)


def standing(log: FeedbackLog, model: ModelRevision, other: ModelRevision) -> Standing:
    """The choices between `model` and `other`, whichever of them was shown first."""
    wins = losses = ties = 0
    for (first, second, better), number in _tally(log).items():
        if {first, second} != {model, other}:
            continue
        if better == "neither":
            ties += number
        elif model == (first if better == "first" else second):
            wins += number
        else:
            losses += number
    return Standing(model, other, wins, losses, ties)


def _tally(log: FeedbackLog) -> Counter[tuple[ModelRevision, ModelRevision, str]]:
    """The number of choices by the first model, the second, and the better of them."""
    columns = [
        *(_first.c.model_id, _first.c.model_revision),
        *(_second.c.model_id, _second.c.model_revision),
        preferences.c.better,
    ]
    query = sa.select(*columns, sa.func.count()).select_from(_joined).group_by(*columns)
    with log.database.connect() as connection:
        rows = connection.execute(query).all()
    tally: Counter[tuple[ModelRevision, ModelRevision, str]] = Counter()
    for row in rows:
        tally[ModelRevision(*row[0:2]), ModelRevision(*row[2:4]), row[4]] += int(row[5])
    return tally


def preferences_csv(log: FeedbackLog) -> Iterator[bytes]:
    """All choices as a CSV file for spreadsheets, oldest first; docs/csv.md names the columns."""
    yield from csv_pieces(list(_EXPORTED), _chunks(log), bom=True)


def _chunks(log: FeedbackLog) -> Iterator[list[list[str]]]:
    last = UUID(int=0)
    while True:
        query = (
            sa.select(*_EXPORTED.values())
            .select_from(_joined)
            .where(preferences.c.id > last)
            .order_by(preferences.c.id)
            .limit(ROWS_AT_ONCE)
        )
        with log.database.connect() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        yield [[_cell(value) for value in row] for row in rows]
        last = rows[-1][0]


def _cell(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else spreadsheet_cell(str(value))
