"""What pages count, kept beside the log so that no page reads all of it.

Derived: ratings.superseded, predictions.rated and .down and the tables of KEPT and labels follow
from the predictions and ratings alone. They change in the transaction that changes what they
follow from, and `rebuild` makes them anew after the schema has changed.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from operator import add, sub
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from feedback.tables import (
    AnyText,
    judgements,
    labels,
    pairs,
    predictions,
    ratings,
    reviewers,
    splits,
    tallies,
)
from model.prediction import CLOSED_LABEL_TASKS

CHUNK = 500
SCORE_BINS = 10
INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

_newer = ratings.alias("newer")
_is_superseded = sa.exists().where(
    _newer.c.prediction_id == ratings.c.prediction_id,
    _newer.c.reviewer == ratings.c.reviewer,
    _newer.c.id > ratings.c.id,
)
# The ratings that count: the newest of each reviewer, unless it is retracted.
counts = sa.and_(~ratings.c.superseded, ~ratings.c.retracted)
_of_prediction = (ratings.c.prediction_id == predictions.c.id, counts)
_rated = sa.select(sa.func.count()).where(*_of_prediction).scalar_subquery()
_down = (
    sa.select(sa.func.count()).where(*_of_prediction, ratings.c.verdict == "down").scalar_subquery()
)
_all = sa.func.count()
_a, _b = ratings.alias("a"), ratings.alias("b")


# Labels of which one applies; the others are a JSON object.
_one_answer = sa.cast(predictions.c.output, sa.Text).startswith("[")


def truth(said_by: sa.FromClause = ratings) -> sa.ColumnElement[str]:
    """The one label that is right by a rating; "" if there is none, or nobody said."""
    one_label = predictions.c.task.in_(CLOSED_LABEL_TASKS) & _one_answer
    said = sa.case(
        (said_by.c.verdict == "up", sa.type_coerce(predictions.c.label, sa.Text)),
        else_=sa.type_coerce(said_by.c.correction, sa.Text),
    )
    return sa.type_coerce(sa.case((one_label, said), else_=""), AnyText)


def score_bin() -> sa.ColumnElement[int]:
    """The tenth that a score is in, 0 to 9; -1 where no score is that of the output being right.

    Of several spans or labels the score is that of one, and a rating judges all of them.
    """
    score = predictions.c.score
    tenths = [(score < (tenth + 1) / SCORE_BINS, tenth) for tenth in range(SCORE_BINS - 1)]
    return sa.case((score.is_(None) | ~_one_answer, -1), *tenths, else_=SCORE_BINS - 1)


def in_score_bin(tenth: int) -> sa.ColumnElement[bool]:
    """Whether `score_bin` is that tenth, 0 to 9; reads the output only where the score is."""
    score = predictions.c.score
    above = score >= tenth / SCORE_BINS if tenth else sa.true()
    below = score < (tenth + 1) / SCORE_BINS if tenth < SCORE_BINS - 1 else sa.true()
    return sa.and_(score.is_not(None), above, below, _one_answer)


def _score_millionths() -> sa.ColumnElement[int]:
    millionths = sa.func.round(predictions.c.score * 1_000_000)
    return sa.func.coalesce(sa.func.sum(sa.cast(millionths, sa.BigInteger)), 0)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A table of totals, and the question that gives them for some predictions or for all."""

    table: sa.Table
    key: tuple[sa.ColumnElement[Any], ...]
    measures: tuple[sa.ColumnElement[int], ...]
    source: sa.FromClause
    where: sa.ColumnElement[bool]
    prediction_id: sa.ColumnElement[UUID]

    def totals(self, connection: sa.Connection, ids: Sequence[UUID] | None) -> "Totals":
        question = sa.select(*self.key, *self.measures).select_from(self.source).where(self.where)
        if ids is not None:
            question = question.where(self.prediction_id.in_(ids))
        rows = connection.execute(question.group_by(*self.key))
        size = len(self.key)
        return {tuple(row[:size]): tuple(map(int, row[size:])) for row in rows}


KEPT = (
    _Kept(
        tallies,
        (
            sa.func.date(ratings.c.created_at, type_=sa.Date),
            predictions.c.model_id,
            predictions.c.model_revision,
            predictions.c.label,
            ratings.c.verdict,
        ),
        (_all,),
        ratings.join(predictions),
        counts,
        ratings.c.prediction_id,
    ),
    _Kept(
        judgements,
        (
            predictions.c.model_id,
            predictions.c.model_revision,
            predictions.c.label,
            truth(),
            ratings.c.verdict,
            ratings.c.blind,
            ratings.c.sampling,
            score_bin(),
        ),
        (_all, _score_millionths()),
        ratings.join(predictions),
        counts,
        ratings.c.prediction_id,
    ),
    _Kept(
        splits,
        (predictions.c.rated - predictions.c.down, predictions.c.down),
        (_all,),
        predictions,
        predictions.c.rated > 1,
        predictions.c.id,
    ),
    _Kept(
        pairs,
        (_a.c.reviewer, _b.c.reviewer, _a.c.verdict, _b.c.verdict),
        (_all,),
        # Of two only: a hundred reviewers of one prediction are five thousand pairs, at each click.
        _a.join(
            _b, (_a.c.prediction_id == _b.c.prediction_id) & (_a.c.reviewer < _b.c.reviewer)
        ).join(predictions, (predictions.c.id == _a.c.prediction_id) & (predictions.c.rated == 2)),
        ~_a.c.superseded & ~_a.c.retracted & ~_b.c.superseded & ~_b.c.retracted,
        _a.c.prediction_id,
    ),
    _Kept(reviewers, (ratings.c.reviewer,), (_all,), ratings, counts, ratings.c.prediction_id),
)
Totals = dict[tuple[Any, ...], tuple[int, ...]]
T = TypeVar("T")


@contextmanager
def recounted(connection: sa.Connection, prediction_ids: Iterable[UUID]) -> Iterator[None]:
    """Keeps what is derived true while ratings of these predictions are added.

    Locks the predictions first (SQLite has locked the file): what somebody else stores between the
    two counts would be counted twice.
    """
    ids = sorted(prediction_ids)
    for chunk in chunks(ids):
        locked = sa.select(predictions.c.id).where(predictions.c.id.in_(chunk))
        connection.execute(locked.order_by(predictions.c.id).with_for_update())
    before = _totals(connection, ids)
    yield
    for chunk in chunks(ids):
        _refresh(connection, ratings.c.prediction_id.in_(chunk), predictions.c.id.in_(chunk))
    for kept, new, old in zip(KEPT, _totals(connection, ids), before, strict=True):
        none = (0,) * len(kept.measures)
        changes = {
            key: tuple(map(sub, new.get(key, none), old.get(key, none))) for key in new | old
        }
        _add(connection, kept.table, changes)


def note_labels(connection: sa.Connection, names: Iterable[str]) -> None:
    """Remembers labels that were predicted; "" is none."""
    for name in sorted(set(names) - {""}):
        insert_or(connection, labels, {"id": _key(name), "label": name}, then={})


def rebuild(connection: sa.Connection) -> None:
    """Makes all that is derived from nothing; takes seconds for a million ratings."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE predictions, ratings IN SHARE ROW EXCLUSIVE MODE"))
    for table in (*(kept.table for kept in KEPT), labels):
        connection.execute(sa.delete(table))
    _refresh(connection, sa.true(), sa.true())
    for kept in KEPT:
        _add(connection, kept.table, kept.totals(connection, None))
    note_labels(connection, connection.execute(sa.select(predictions.c.label).distinct()).scalars())


def _refresh(connection: sa.Connection, some: Any, of: Any) -> None:
    connection.execute(sa.update(ratings).where(some).values(superseded=_is_superseded))
    connection.execute(sa.update(predictions).where(of).values(rated=_rated, down=_down))


def _totals(connection: sa.Connection, ids: Sequence[UUID]) -> list[Totals]:
    """The totals of each table, over the ratings of some predictions."""
    made: list[Totals] = []
    for kept in KEPT:
        totals: Totals = {}
        for chunk in chunks(ids):
            for key, some in kept.totals(connection, chunk).items():
                totals[key] = tuple(map(add, totals.get(key, (0,) * len(some)), some))
        made.append(totals)
    return made


def _add(connection: sa.Connection, table: sa.Table, changes: Totals) -> None:
    names = [column.name for column in table.columns][1:]
    rows = [(_key(*key), key, change) for key, change in changes.items() if any(change)]
    for row_id, key, change in sorted(rows):  # in one order, so that no two block each other
        values = dict(zip(names, (*key, *change), strict=True))
        more = {name: table.c[name] + n for name, n in zip(names[len(key) :], change, strict=True)}
        insert_or(connection, table, {"id": row_id, **values}, then=more)


def insert_or(
    connection: sa.Connection, table: sa.Table, values: dict[str, Any], *, then: dict[str, Any]
) -> None:
    """Inserts a row, or changes the one with its id as `then` says."""
    insert = INSERT.get(connection.dialect.name)
    if insert is None:  # a database whose way to do both at once we do not know
        known = sa.select(table.c.id).where(table.c.id == values["id"])
        if connection.execute(known).first() is None:
            connection.execute(sa.insert(table).values(values))
        elif then:
            connection.execute(sa.update(table).where(table.c.id == values["id"]).values(then))
        return
    statement = insert(table).values(values)
    if then:
        statement = statement.on_conflict_do_update(index_elements=["id"], set_=then)
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement)


def _key(*parts: date | str | int) -> UUID:
    """An id made of the values themselves: an index over texts of any length has limits."""
    text = json.dumps([str(part) for part in parts])
    return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


def chunks(every: Sequence[T]) -> list[Sequence[T]]:
    """Pieces of a size that one statement can take."""
    return [every[start : start + CHUNK] for start in range(0, len(every), CHUNK)]
