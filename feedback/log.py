"""FeedbackLog: stores predictions and ratings and answers questions about them.

Append-only: a changed mind is a new rating, and the newest of each reviewer counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from feedback import uncopied
from feedback.database import Database
from feedback.errors import FeedbackError
from feedback.filters import Filter, count_query, ids_query, of_model, rows_query
from feedback.records import (
    Added,
    Counts,
    Entry,
    ModelRevision,
    Rating,
    entry_from,
    entry_values,
)
from feedback.tables import (
    MISTAKEN,
    RATING_COLUMNS,
    ROWS_AT_ONCE,
    UNRATED,
    AnyText,
    current_ratings,
    jobs,
    labels,
    predictions,
    ratings,
    reviewers,
    tallies,
)
from feedback.totals import chunks, note_labels, recounted, upsert

Row = tuple[Entry, Rating | None]

_up = sa.func.coalesce(sa.func.sum(sa.case((tallies.c.verdict == "up", tallies.c.ratings))), 0)
_down = sa.func.coalesce(sa.func.sum(sa.case((tallies.c.verdict == "down", tallies.c.ratings))), 0)
_id = predictions.c.id
# The columns of both tables; those of the rating are prefixed.
_rows = sa.select(
    predictions,
    *(current_ratings.c[column.name].label(f"rating_{column.name}") for column in RATING_COLUMNS),
)


class FeedbackLog:
    """The log in one database. Every method raises LogUnavailable if that fails."""

    def __init__(self, url: str) -> None:
        """Opens the database and brings its schema up to date; raises as Database does."""
        self.database = Database(url)

    def record(self, entry: Entry) -> None:
        """Stores a prediction; a repeated call with it changes nothing."""
        values = entry_values(entry)
        with self.database.connect(write=True) as connection:
            upsert(connection, predictions, values)
            note_labels(connection, [values["label"]])

    def rate(self, rating: Rating) -> bool:
        """Stores a rating unless its content is that of its reviewer's newest rating.

        Returns True if it was stored. Raises FeedbackError if its prediction is not in the log.
        """
        with self.database.connect(write=True) as connection:
            uncopied.copy(connection, [rating.prediction_id])
            # The lock makes two clicks at once wait for each other (SQLite locks the file).
            rated = sa.select(predictions.c.id).where(predictions.c.id == rating.prediction_id)
            if connection.execute(rated.with_for_update()).first() is None:
                raise FeedbackError(f"There is no prediction {rating.prediction_id} to rate.")
            newest = connection.execute(
                sa.select(*RATING_COLUMNS)
                .where(
                    ratings.c.prediction_id == rating.prediction_id,
                    ratings.c.reviewer == rating.reviewer,
                )
                .order_by(ratings.c.id.desc())
                .limit(1)
            ).first()
            content = Rating(**newest._mapping).content if newest else None
            same_id = sa.select(ratings.c.id).where(ratings.c.id == rating.id)
            if connection.execute(same_id).first() is not None:
                return False  # a repeated call, after a call whose answer was lost
            if content == rating.content or (content is None and rating.retracted):
                return False
            with recounted(connection, [rating.prediction_id]):
                connection.execute(sa.insert(ratings).values(_rating_values(rating)))
            return True

    def add(self, entries: Iterable[Entry], ratings: Iterable[Rating]) -> Added:
        """Stores those whose ids are new, all or nothing; ids that are there stay as they are."""
        entry_rows = [entry_values(entry) for entry in entries]
        rating_rows = [_rating_values(rating) for rating in ratings]
        with self.database.connect(write=True) as connection:
            uncopied.copy(connection, {row["prediction_id"] for row in rating_rows})
            of_jobs = uncopied.find(connection, [row["id"] for row in entry_rows])
            others = [row for row in entry_rows if row["id"] not in of_jobs]
            new_entries, other_entries = insert_new(connection, predictions, others)
            note_labels(connection, {row["label"] for row in others})
            new_ratings, other_ratings = _insert_ratings(connection, rating_rows)
        other_entries += sum(
            row["id"] in of_jobs and not row.items() >= of_jobs[row["id"]].items()
            for row in entry_rows
        )
        return Added(new_entries, new_ratings, other_entries + other_ratings)

    def find(self, prediction_id: UUID) -> Entry | None:
        """The entry of a prediction, or None if the log has none."""
        with self.database.connect() as connection:
            query = sa.select(predictions).where(predictions.c.id == prediction_id)
            if row := connection.execute(query).first():
                return entry_from(_values(row))
            of_jobs = uncopied.find(connection, [prediction_id])
        return entry_from(of_jobs[prediction_id]) if of_jobs else None

    def ratings_of(self, prediction_id: UUID) -> list[Rating]:
        """The ratings of a prediction that count, oldest first."""
        return self.ratings_of_each([prediction_id])[prediction_id]

    def ratings_of_each(self, prediction_ids: Sequence[UUID]) -> dict[UUID, list[Rating]]:
        """The ratings of each prediction that count, oldest first; by one query, so not of many."""
        query = sa.select(current_ratings).where(
            current_ratings.c.prediction_id.in_(prediction_ids)
        )
        with self.database.connect() as connection:
            rows = connection.execute(query.order_by(current_ratings.c.id)).all()
        each: dict[UUID, list[Rating]] = {prediction_id: [] for prediction_id in prediction_ids}
        for row in rows:
            each[row.prediction_id].append(Rating(**row._mapping))
        return each

    def counts(self) -> Counts:
        """The numbers of predictions, ratings and reviewers."""

        def number(table: sa.FromClause, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
            return sa.select(sa.func.count()).select_from(table).where(*where).scalar_subquery()

        of_jobs = sa.select(sa.func.coalesce(sa.func.sum(jobs.c.uncopied), 0)).scalar_subquery()
        query = sa.select(
            number(predictions),
            of_jobs,
            number(predictions, UNRATED),
            _up,
            _down,
            number(reviewers, reviewers.c.ratings > 0),
        )
        with self.database.connect() as connection:
            copied, others, unrated, up, down, reviewing = connection.execute(query).one()
        return Counts(copied + int(others), copied - unrated, up, down, reviewing)

    def labels(self) -> list[str]:
        """The labels that were predicted, in alphabetical order; "" is none."""
        with self.database.connect() as connection:
            return sorted(connection.execute(sa.select(labels.c.label)).scalars())

    def count(self, chosen: Filter, *, limit: int) -> int:
        """The number of rows `page` has, at most `limit`.

        Counting reads that many rows, unless the totals know it.
        """
        with self.database.connect() as connection:
            number = connection.execute(count_query(chosen, limit=limit)).scalar_one()
        return min(limit, int(number))

    def page(self, chosen: Filter, *, offset: int, limit: int) -> list[Row]:
        """Predictions with each rating that counts, newest first."""
        query = rows_query(_rows, chosen).offset(offset).limit(limit)
        with self.database.connect() as connection:
            return [_row(row) for row in connection.execute(query)]

    def entries(self, chosen: Filter, *, before: UUID | None = None, limit: int) -> list[Entry]:
        """Predictions that have a row of `page`, newest first, each once.

        With `before` those below that id: the page that follows it, whatever is stored meanwhile.
        """
        ids = ids_query(chosen, before=before, limit=limit).subquery()
        query = sa.select(predictions).where(_id.in_(sa.select(ids))).order_by(_id.desc())
        with self.database.connect() as connection:
            return [entry_from(_values(row)) for row in connection.execute(query)]

    def mistakes(self, revision: ModelRevision | None = None, *, limit: int) -> list[Row]:
        """The predictions rated down that have the highest scores, with each such rating."""
        by_score = (predictions.c.score.desc(), _id.desc())
        surest = (
            sa.select(_id)
            .where(MISTAKEN, predictions.c.score.is_not(None), of_model(predictions, revision))
            .order_by(*by_score)
            .limit(limit)
        )
        with self.database.connect() as connection:
            ids = connection.execute(surest).scalars().all()
            query = (
                _rows.select_from(
                    predictions.join(current_ratings, current_ratings.c.prediction_id == _id)
                )
                .where(_id.in_(ids), current_ratings.c.verdict == "down")
                .order_by(*by_score, current_ratings.c.id)
            )
            return [_row(row) for row in connection.execute(query)]

    def stored(
        self, of_predictions: Iterable[str], of_ratings: Iterable[str], *, unrated: bool
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """Columns of all predictions with every revision of every rating, in chunks of rows.

        By the ids of predictions and ratings; with `unrated` also predictions without a rating.
        Rows that are stored meanwhile may be among them.

        Text is as `files.escape` makes it storable, ids, times and JSON are text, and the columns
        of a rating that is not there are None.
        """
        names, rating_names = list(of_predictions), list(of_ratings)
        last = UUID(int=0)
        while True:
            # A connection for each chunk: a reader who stalls must not keep one from the others.
            with self.database.connect() as connection:
                until = _end_of_chunk(connection, last, unrated)
                query = _stored(connection, names, rating_names, last, until, unrated)
                rows = connection.execute(query).all()
            if rows:
                yield rows
            if until is None:
                return
            last = until

    def close(self) -> None:
        self.database.close()


def _end_of_chunk(connection: sa.Connection, last: UUID, unrated: bool) -> UUID | None:
    """The last id of the next predictions to export, which follow the id `last`.

    None if few are left. They are at most 500 of the table and 500 of jobs.
    """

    def end(column: sa.ColumnElement[UUID], *where: sa.ColumnElement[bool]) -> UUID | None:
        ids = sa.select(column).where(column > last, *where).order_by(column)
        return connection.execute(ids.offset(ROWS_AT_ONCE - 1).limit(1)).scalar_one_or_none()

    if not unrated:
        return end(_id, sa.exists().where(ratings.c.prediction_id == _id))
    until, of_jobs = end(_id), uncopied.uncopied.c.id
    # Without this bound a chunk would look at all copies that follow.
    earlier = end(of_jobs, sa.true() if until is None else of_jobs <= until)
    return until if earlier is None else earlier


def _stored(
    connection: sa.Connection,
    names: Sequence[str],
    rating_names: Sequence[str],
    last: UUID,
    until: UUID | None,
    unrated: bool,
) -> sa.Select[Any]:
    """A query for the predictions after the id `last`, up to `until`, with their ratings."""

    def within(column: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
        return column > last if until is None else sa.and_(column > last, column <= until)

    columns = [
        *(_as_stored(predictions.c[name]).label(f"p_{name}") for name in names),
        *(_as_stored(ratings.c[name]).label(f"r_{name}") for name in rating_names),
    ]
    joined = predictions.join(ratings, isouter=unrated)
    query = sa.select(*columns).select_from(joined).where(within(_id))
    of_jobs = uncopied.uncopied.c
    some = sa.select(of_jobs.id).where(within(of_jobs.id)).limit(1)
    if not unrated or connection.execute(some).first() is None:  # and none will come
        return query.order_by(_id, ratings.c.id)
    # One statement for both, as a prediction may get its copy at this moment.
    order = [_id.label("by_id"), ratings.c.id.label("by_rating")]
    others = sa.select(
        *(_as_stored(of_jobs[name]) for name in names),
        *(sa.cast(sa.null(), column.type) for column in columns[len(names) :]),
        of_jobs.id,
        sa.cast(sa.null(), ratings.c.id.type),
    ).where(within(of_jobs.id))
    both = sa.union_all(query.add_columns(*order), others).subquery()
    return sa.select(*list(both.c)[: len(columns)]).order_by(both.c.by_id, both.c.by_rating)


def _as_stored(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    if isinstance(column.type, AnyText | sa.String):
        return sa.type_coerce(column, sa.Text)
    if isinstance(column.type, sa.Double | sa.Boolean):
        return column
    return sa.cast(column, sa.Text)


def _rating_values(rating: Rating) -> dict[str, Any]:
    return {column.name: getattr(rating, column.name) for column in RATING_COLUMNS}


def _insert_ratings(connection: sa.Connection, rows: list[dict[str, Any]]) -> tuple[int, int]:
    """Inserts ratings as `insert_new` does, and updates the totals."""
    with recounted(connection, {row["prediction_id"] for row in rows}):
        return insert_new(connection, ratings, rows)


def insert_new(
    connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]
) -> tuple[int, int]:
    """Inserts the first row of each id that is new.

    Returns how many were inserted, and how many of all rows differ from the row that is there now.
    """
    by_id: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        by_id.setdefault(row["id"], []).append(row)
    numbers = [_insert_chunk(connection, table, chunk) for chunk in chunks(list(by_id.items()))]
    return sum(new for new, _ in numbers), sum(differing for _, differing in numbers)


def _insert_chunk(
    connection: sa.Connection,
    table: sa.Table,
    rows_by_id: Sequence[tuple[UUID, list[dict[str, Any]]]],
) -> tuple[int, int]:
    def insert_missing() -> tuple[int, int]:
        known = sa.select(table).where(table.c.id.in_([row_id for row_id, _ in rows_by_id]))
        there = {row["id"]: dict(row) for row in connection.execute(known).mappings()}
        new = [rows[0] for row_id, rows in rows_by_id if row_id not in there]
        if new:
            with connection.begin_nested():
                connection.execute(sa.insert(table), new)
        same = [
            there.get(row_id, rows[0]).items() >= row.items()
            for row_id, rows in rows_by_id
            for row in rows
        ]
        return len(new), same.count(False)

    try:
        return insert_missing()
    except IntegrityError:  # another process stored some of them in between; now they are seen
        return insert_missing()


def _values(row: sa.Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # SQLAlchemy's public way to the names, despite the underscore


def _row(row: sa.Row[Any]) -> Row:
    values = _values(row)
    if values["rating_id"] is None:
        return entry_from(values), None
    rating = Rating(**{column.name: values[f"rating_{column.name}"] for column in RATING_COLUMNS})
    return entry_from(values), rating
