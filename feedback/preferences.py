"""Which of two predictions for one input reviewers find better. Append-only, like ratings."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from feedback.errors import FeedbackError
from feedback.log import FeedbackLog
from feedback.statistics import sign_test
from feedback.tables import predictions, preferences
from feedback.totals import insert_or
from files.escape import guarded, storable

Better = Literal["first", "second", "neither"]
Named = tuple[str, str]  # a model's id and revision
EXPORTED_AT_ONCE = 500
COLUMNS = [
    "preference_id",
    "created_at",
    "reviewer",
    "better",
    *(
        f"{one}_{what}"
        for one in ("first", "second")
        for what in ("model_id", "model_revision", "label")
    ),
    "input",
    "first_prediction_id",
    "second_prediction_id",
]

_first, _second = predictions.alias("first"), predictions.alias("second")
_joined = preferences.join(_first, preferences.c.first_id == _first.c.id).join(
    _second, preferences.c.second_id == _second.c.id
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One choice between two predictions, in the order in which they were shown."""

    id: UUID
    created_at: datetime
    reviewer: str
    first_id: UUID
    second_id: UUID
    better: Better


@dataclass(frozen=True, slots=True)
class Standing:
    """How often one model was found better than another, worse, or neither."""

    one: Named
    other: Named
    wins: int
    losses: int
    ties: int

    @property
    def decided(self) -> int:
        """How many choices were for one of them."""
        return self.wins + self.losses

    @property
    def total(self) -> int:
        return self.decided + self.ties

    @property
    def p(self) -> float:
        """The sign test's p: how likely a split this uneven is if neither is better."""
        return sign_test(self.wins, self.losses)


def record_preference(log: FeedbackLog, preference: Preference) -> None:
    """Stores a choice once, however often it is called with its id: the first counts.

    Raises FeedbackError if one of its predictions is not in the log, and LogUnavailable.
    """
    values = {column.name: getattr(preference, column.name) for column in preferences.columns}
    wanted = [preference.first_id, preference.second_id]
    with log.database.connect(write=True) as connection:
        there = sa.select(predictions.c.id).where(predictions.c.id.in_(wanted))
        if missing := set(wanted) - set(connection.execute(there).scalars()):
            raise FeedbackError(f"There is no prediction {missing.pop()} to prefer another to.")
        insert_or(connection, preferences, values, then={})


def standing(log: FeedbackLog, one: Named, other: Named) -> Standing:
    """How `one` does against `other`, whichever of them was shown first."""
    wins, losses, ties = 0, 0, 0
    for (first, second, better), number in _tally(log).items():
        if better == "neither" and {first, second} == {one, other}:
            ties += number
        elif (first, second) in ((one, other), (other, one)):
            won = first if better == "first" else second
            wins, losses = wins + number * (won == one), losses + number * (won == other)
    return Standing(one, other, wins, losses, ties)


def _tally(log: FeedbackLog) -> Counter[tuple[Named, Named, str]]:
    names = [one.c[name] for one in (_first, _second) for name in ("model_id", "model_revision")]
    key = [*names, preferences.c.better]
    question = sa.select(*key, sa.func.count()).select_from(_joined).group_by(*key)
    with log.database.connect() as connection:
        rows = connection.execute(question).all()
    tally: Counter[tuple[Named, Named, str]] = Counter()
    for row in rows:
        first, second = (row[0], row[1]), (row[2], row[3])
        tally[first, second, row[4]] += int(row[5])
    return tally


def preferences_csv(log: FeedbackLog) -> Iterator[bytes]:
    """Every choice as a CSV file for spreadsheets, oldest first; docs/csv.md names the columns."""
    yield _lines([COLUMNS], bom=True)
    last = UUID(int=0)
    while True:
        with log.database.connect() as connection:
            rows = connection.execute(_exported(last)).all()
        if not rows:
            return
        last = rows[-1][0]
        yield _lines([[_cell(value) for value in row] for row in rows])


def _exported(last: UUID) -> sa.Select[Any]:
    shown: list[Any] = [
        preferences.c.id,
        preferences.c.created_at,
        preferences.c.reviewer,
        preferences.c.better,
        *(
            one.c[name]
            for one in (_first, _second)
            for name in ("model_id", "model_revision", "label")
        ),
        _first.c.input,
        preferences.c.first_id,
        preferences.c.second_id,
    ]
    return (
        sa.select(*shown)
        .select_from(_joined)
        .where(preferences.c.id > last)
        .order_by(preferences.c.id)
        .limit(EXPORTED_AT_ONCE)
    )


def _cell(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else guarded(storable(str(value)))


def _lines(rows: list[list[str]], *, bom: bool = False) -> bytes:
    buffer = io.StringIO("\ufeff" if bom else "")
    buffer.seek(0, io.SEEK_END)
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()
