"""Totals of the log, which spare pages from reading all of it.

The columns ratings.superseded, predictions.rated and predictions.down, the tables of TOTALS and the
table labels follow from predictions and ratings alone. They change in the transaction that stores a
prediction or a rating, and `rebuild` computes them anew after a migration that changes them.
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
    CURRENT,
    ROWS_AT_ONCE,
    AnyText,
    job_totals,
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

SCORE_BINS = 10
INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

_newer = ratings.alias("newer")
_is_superseded = sa.exists().where(
    _newer.c.prediction_id == ratings.c.prediction_id,
    _newer.c.reviewer == ratings.c.reviewer,
    _newer.c.id > ratings.c.id,
)
_of_prediction = (ratings.c.prediction_id == predictions.c.id, CURRENT)
_rated = sa.select(sa.func.count()).where(*_of_prediction).scalar_subquery()
_down = (
    sa.select(sa.func.count()).where(*_of_prediction, ratings.c.verdict == "down").scalar_subquery()
)
_all = sa.func.count()
_a, _b = ratings.alias("a"), ratings.alias("b")

# Labels of which one applies are a JSON array; other outputs are an object.
_one_answer = sa.cast(predictions.c.output, sa.Text).startswith("[")


def truth(judged_by: sa.FromClause = ratings) -> sa.ColumnElement[str]:
    """The label that is right by a rating; "" if it is unknown, or if several can be right."""
    one_label = predictions.c.task.in_(CLOSED_LABEL_TASKS) & _one_answer
    right = sa.case(
        (judged_by.c.verdict == "up", sa.type_coerce(predictions.c.label, sa.Text)),
        else_=sa.type_coerce(judged_by.c.correction, sa.Text),
    )
    return sa.type_coerce(sa.case((one_label, right), else_=""), AnyText)


def score_bin() -> sa.ColumnElement[int]:
    """The tenth of the score, 0 to 9; -1 if the score is not the probability of being right.

    It is not for several spans or labels: the score is that of one, and a rating judges them all.
    """
    score = predictions.c.score
    tenths = [(score < (tenth + 1) / SCORE_BINS, tenth) for tenth in range(SCORE_BINS - 1)]
    return sa.case((score.is_(None) | ~_one_answer, -1), *tenths, else_=SCORE_BINS - 1)


def in_score_bin(tenth: int) -> sa.ColumnElement[bool]:
    """The condition that `score_bin` is `tenth`, 0 to 9; reads outputs only where scores fit."""
    score = predictions.c.score
    above = score >= tenth / SCORE_BINS if tenth else sa.true()
    below = score < (tenth + 1) / SCORE_BINS if tenth < SCORE_BINS - 1 else sa.true()
    return sa.and_(score.is_not(None), above, below, _one_answer)


def _score_millionths() -> sa.ColumnElement[int]:
    millionths = sa.func.round(predictions.c.score * 1_000_000)
    return sa.func.coalesce(sa.func.sum(sa.cast(millionths, sa.BigInteger)), 0)


@dataclass(frozen=True, slots=True)
class _Total:
    """A table of totals, and the query that gives them for some predictions or for all.

    Counts the rows of `source` that satisfy `where`, by `key`; `measures` are the numbers.
    """

    table: sa.Table
    key: tuple[sa.ColumnElement[Any], ...]
    measures: tuple[sa.ColumnElement[int], ...]
    source: sa.FromClause
    where: sa.ColumnElement[bool]
    prediction_id: sa.ColumnElement[UUID]

    def numbers(self, connection: sa.Connection, ids: Sequence[UUID] | None) -> "Numbers":
        """The measures by key, of the predictions with these ids, or with None of all."""
        query = sa.select(*self.key, *self.measures).select_from(self.source).where(self.where)
        if ids is not None:
            query = query.where(self.prediction_id.in_(ids))
        rows = connection.execute(query.group_by(*self.key))
        size = len(self.key)
        return {tuple(row[:size]): tuple(map(int, row[size:])) for row in rows}


TOTALS = (
    _Total(
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
        CURRENT,
        ratings.c.prediction_id,
    ),
    _Total(
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
        CURRENT,
        ratings.c.prediction_id,
    ),
    _Total(
        splits,
        (predictions.c.rated - predictions.c.down, predictions.c.down),
        (_all,),
        predictions,
        predictions.c.rated > 1,
        predictions.c.id,
    ),
    _Total(
        pairs,
        (_a.c.reviewer, _b.c.reviewer, _a.c.verdict, _b.c.verdict),
        (_all,),
        # Of two only: a hundred reviewers of a prediction are five thousand pairs, at each click.
        _a.join(
            _b, (_a.c.prediction_id == _b.c.prediction_id) & (_a.c.reviewer < _b.c.reviewer)
        ).join(predictions, (predictions.c.id == _a.c.prediction_id) & (predictions.c.rated == 2)),
        ~_a.c.superseded & ~_a.c.retracted & ~_b.c.superseded & ~_b.c.retracted,
        _a.c.prediction_id,
    ),
    _Total(reviewers, (ratings.c.reviewer,), (_all,), ratings, CURRENT, ratings.c.prediction_id),
)
Numbers = dict[tuple[Any, ...], tuple[int, ...]]
T = TypeVar("T")


@contextmanager
def recounted(connection: sa.Connection, prediction_ids: Iterable[UUID]) -> Iterator[None]:
    """Updates the totals for ratings of these predictions that are added in the context.

    Locks the predictions first (SQLite has locked the file): a rating that another process stores
    between the two counts would be counted twice.
    """
    ids = sorted(prediction_ids)
    for chunk in chunks(ids):
        locked = sa.select(predictions.c.id).where(predictions.c.id.in_(chunk))
        connection.execute(locked.order_by(predictions.c.id).with_for_update())
    before = _numbers(connection, ids)
    yield
    for chunk in chunks(ids):
        _refresh(connection, ratings.c.prediction_id.in_(chunk), predictions.c.id.in_(chunk))
    for total, new, old in zip(TOTALS, _numbers(connection, ids), before, strict=True):
        zeros = (0,) * len(total.measures)
        changes = {
            key: tuple(map(sub, new.get(key, zeros), old.get(key, zeros))) for key in new | old
        }
        _add(connection, total.table, changes)


def note_labels(connection: sa.Connection, names: Iterable[str]) -> None:
    """Stores the labels that were predicted; "" is none."""
    for name in sorted(set(names) - {""}):
        upsert(connection, labels, {"id": key_of(name), "label": name})


def rebuild(connection: sa.Connection) -> None:
    """Computes all totals anew, from predictions and ratings; seconds for a million ratings."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE predictions, ratings IN SHARE ROW EXCLUSIVE MODE"))
    for table in (*(total.table for total in TOTALS), labels):
        connection.execute(sa.delete(table))
    _refresh(connection, sa.true(), sa.true())
    for total in TOTALS:
        _add(connection, total.table, total.numbers(connection, None))
    of_jobs = sa.select(job_totals.c.bin).where(job_totals.c.measure == "label")
    names = sa.union(sa.select(predictions.c.label), of_jobs)
    note_labels(connection, connection.execute(names).scalars())


def _refresh(
    connection: sa.Connection,
    of_ratings: sa.ColumnElement[bool],
    of_predictions: sa.ColumnElement[bool],
) -> None:
    """Computes the derived columns of the ratings and predictions that satisfy the conditions."""
    columns = sa.update(ratings).where(of_ratings).values(superseded=_is_superseded)
    connection.execute(columns)
    columns = sa.update(predictions).where(of_predictions).values(rated=_rated, down=_down)
    connection.execute(columns)


def _numbers(connection: sa.Connection, ids: Sequence[UUID]) -> list[Numbers]:
    """The numbers of each of TOTALS, over the ratings of these predictions."""
    of_each: list[Numbers] = []
    for total in TOTALS:
        numbers: Numbers = {}
        for chunk in chunks(ids):
            for key, measures in total.numbers(connection, chunk).items():
                so_far = numbers.get(key, (0,) * len(measures))
                numbers[key] = tuple(map(add, so_far, measures))
        of_each.append(numbers)
    return of_each


def _add(connection: sa.Connection, table: sa.Table, changes: Numbers) -> None:
    """Adds to the numbers of a table of totals."""
    names = [column.name for column in table.columns][1:]
    rows = [(key_of(*key), key, change) for key, change in changes.items() if any(change)]
    for row_id, key, change in sorted(rows):  # in one order, so that no two block each other
        values = dict(zip(names, (*key, *change), strict=True))
        more = {name: table.c[name] + n for name, n in zip(names[len(key) :], change, strict=True)}
        upsert(connection, table, {"id": row_id, **values}, changes=more)


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    values: dict[str, Any],
    *,
    changes: dict[str, Any] | None = None,
) -> None:
    """Inserts a row; if its id is there, makes `changes` to that row, with None none."""
    insert = INSERT.get(connection.dialect.name)
    if insert is None:  # a database whose way to do both at once we do not know
        known = sa.select(table.c.id).where(table.c.id == values["id"])
        if connection.execute(known).first() is None:
            connection.execute(sa.insert(table).values(values))
        elif changes:
            connection.execute(sa.update(table).where(table.c.id == values["id"]).values(changes))
        return
    statement = insert(table).values(values)
    if changes:
        statement = statement.on_conflict_do_update(index_elements=["id"], set_=changes)
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement)


def key_of(*parts: date | str | int) -> UUID:
    """The id that is made of the values: an index over texts of any length has limits."""
    text = json.dumps([str(part) for part in parts])
    return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


def chunks(items: Sequence[T]) -> list[Sequence[T]]:
    """The items in pieces of a size that one statement can take."""
    starts = range(0, len(items), ROWS_AT_ONCE)
    return [items[start : start + ROWS_AT_ONCE] for start in starts]
