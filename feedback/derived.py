"""What pages count, kept beside the log so that no page reads all of it.

Derived: ratings.superseded, predictions.rated and the tables tallies, reviewers and labels follow
from the predictions and ratings alone. They change in the transaction that changes what they
follow from, and `rebuild` makes them anew after the schema has changed.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from feedback.tables import labels, predictions, ratings, reviewers, tallies

CHUNK = 500
INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

_newer = ratings.alias("newer")
_is_superseded = sa.exists().where(
    _newer.c.prediction_id == ratings.c.prediction_id,
    _newer.c.reviewer == ratings.c.reviewer,
    _newer.c.id > ratings.c.id,
)
# The ratings that count: the newest of each reviewer, unless it is retracted.
counts = sa.and_(~ratings.c.superseded, ~ratings.c.retracted)
_rated = (
    sa.select(sa.func.count())
    .where(ratings.c.prediction_id == predictions.c.id, counts)
    .scalar_subquery()
)
_of_tallies = (
    sa.func.date(ratings.c.created_at, type_=sa.Date),
    predictions.c.model_id,
    predictions.c.model_revision,
    predictions.c.label,
    ratings.c.verdict,
)
_of_reviewers = (ratings.c.reviewer,)
Totals = Counter[tuple[Any, ...]]
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
    after = _totals(connection, ids)
    for table, new, old in zip((tallies, reviewers), after, before, strict=True):
        _add(connection, table, {key: new[key] - old[key] for key in new.keys() | old.keys()})


def note_labels(connection: sa.Connection, names: Iterable[str]) -> None:
    """Remembers labels that were predicted; "" is none."""
    for name in sorted(set(names) - {""}):
        insert_or(connection, labels, {"id": _key(name), "label": name}, then={})


def rebuild(connection: sa.Connection) -> None:
    """Makes all that is derived from nothing; takes seconds for a million ratings."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE predictions, ratings IN SHARE ROW EXCLUSIVE MODE"))
    for table in (tallies, reviewers, labels):
        connection.execute(sa.delete(table))
    _refresh(connection, sa.true(), sa.true())
    for table, totals in zip((tallies, reviewers), _totals(connection, None), strict=True):
        _add(connection, table, totals)
    note_labels(connection, connection.execute(sa.select(predictions.c.label).distinct()).scalars())


def _refresh(connection: sa.Connection, some: Any, of: Any) -> None:
    connection.execute(sa.update(ratings).where(some).values(superseded=_is_superseded))
    connection.execute(sa.update(predictions).where(of).values(rated=_rated))


def _totals(connection: sa.Connection, ids: Sequence[UUID] | None) -> tuple[Totals, Totals]:
    """How many ratings count, for tallies and for reviewers, of some predictions or of all."""
    made = (Counter(), Counter())  # type: tuple[Totals, Totals]
    for chunk in [None] if ids is None else chunks(ids):
        where = counts if chunk is None else counts & ratings.c.prediction_id.in_(chunk)
        for totals, columns in zip(made, (_of_tallies, _of_reviewers), strict=True):
            question = sa.select(*columns, sa.func.count()).where(where).group_by(*columns)
            source = ratings.join(predictions) if columns is _of_tallies else ratings
            for *key, count in connection.execute(question.select_from(source)):
                totals[tuple(key)] += count
    return made


def _add(connection: sa.Connection, table: sa.Table, totals: Any) -> None:
    names = [column.name for column in table.columns][1:-1]
    changes = [(_key(*key), key, count) for key, count in totals.items() if count]
    for row_id, key, count in sorted(changes):  # in one order, so that no two block each other
        values = {"id": row_id, **dict(zip(names, key, strict=True)), "ratings": count}
        insert_or(connection, table, values, then={"ratings": table.c.ratings + count})


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


def _key(*parts: date | str) -> UUID:
    """An id made of the values themselves: an index over texts of any length has limits."""
    text = json.dumps([str(part) for part in parts])
    return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


def chunks(every: Sequence[T]) -> list[Sequence[T]]:
    """Pieces of a size that one statement can take."""
    return [every[start : start + CHUNK] for start in range(0, len(every), CHUNK)]
