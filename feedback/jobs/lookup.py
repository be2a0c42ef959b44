"""Stored predictions of a job: by key, by text, with their history, and all of them in order."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from feedback.jobs.records import Job, Reject, StoredPrediction, contents_of
from feedback.log import FeedbackLog
from feedback.records import entry_from
from feedback.tables import NEWEST_OF_KEY, ROWS_AT_ONCE, job_predictions, job_rejects
from feedback.uncopied import COLUMNS, JOINED

KEYS_AT_ONCE = 1000  # of one statement

_made = job_predictions.c
_rows = sa.select(_made.key, _made.version, _made.place, _made.newest, *COLUMNS).select_from(JOINED)


def by_keys(log: FeedbackLog, job: Job, keys: Sequence[str]) -> dict[str, StoredPrediction]:
    """The newest prediction of each key that has one; a query for each 1,000 keys."""
    found: dict[str, StoredPrediction] = {}
    with log.database.connect() as connection:
        for first in range(0, len(keys), KEYS_AT_ONCE):
            of_keys = _made.key.in_(keys[first : first + KEYS_AT_ONCE])
            query = _rows.where(_made.job == job.number, of_keys, NEWEST_OF_KEY)
            found |= {stored.key: stored for stored in _read(connection, query)}
    return {key: found[key] for key in keys if key in found}


def by_text(log: FeedbackLog, job: Job, text: str, *, limit: int) -> list[StoredPrediction]:
    """The newest predictions of the keys that have this text, in the order of the source."""
    least, greatest = contents_of(text)
    query = _rows.where(
        _made.job == job.number,
        _made.content.between(least, greatest),
        _made.input == text,  # another text can have the same hash
        NEWEST_OF_KEY,
    )
    with log.database.connect() as connection:
        return _read(connection, query.order_by(_made.content, _made.place).limit(limit))


def history(log: FeedbackLog, job: Job, key: str) -> list[StoredPrediction]:
    """All versions of a key, the newest first."""
    query = _rows.where(_made.job == job.number, _made.key == key)
    with log.database.connect() as connection:
        return _read(connection, query.order_by(_made.version.desc()))


def exported(log: FeedbackLog, job: Job) -> Iterator[Sequence[StoredPrediction]]:
    """The newest prediction of each key in the order of the source, in pieces.

    A connection for each piece, as a reader may take hours; what is stored meanwhile may be there.
    """
    place, key = _made.place, _made.key
    query = _rows.where(_made.job == job.number, NEWEST_OF_KEY).order_by(place, key)
    after: sa.ColumnElement[bool] = sa.true()
    while True:
        with log.database.connect() as connection:
            piece = _read(connection, query.where(after).limit(ROWS_AT_ONCE))
        if not piece:
            return
        yield piece
        last = piece[-1]
        # Two keys can have one place: of sources of different weeks.
        after = sa.and_(place >= last.place, sa.or_(place > last.place, key > last.key))


def rejects_of(log: FeedbackLog, job: Job) -> Iterator[Reject]:
    """The rows of the last run without a prediction, in the order of the source."""
    rejects, last = job_rejects.c, -1
    columns = [column for column in rejects if column.name != "job"]
    while True:
        query = sa.select(*columns).where(rejects.job == job.number, rejects.number > last)
        with log.database.connect() as connection:
            rows = connection.execute(query.order_by(rejects.number).limit(ROWS_AT_ONCE)).all()
        if not rows:
            return
        yield from (Reject(**row._mapping) for row in rows)
        last = rows[-1].number


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[StoredPrediction]:
    return [
        StoredPrediction(
            key=row["key"],
            version=row["version"],
            place=row["place"],
            newest=row["newest"],
            entry=entry_from(dict(row)),
        )
        for row in connection.execute(query).mappings()
    ]
