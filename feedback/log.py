"""class FeedbackLog: records predictions and ratings and answers questions about them.

Append-only: a changed mind is a new revision, and the newest of each reviewer counts.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from feedback.database import Database
from feedback.errors import FeedbackError
from feedback.records import Added, Counts, Entry, Filter, Rating, Tally, entry_from, entry_values
from feedback.tables import predictions, ratings

CHUNK = 500
INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
Row = tuple[Entry, Rating | None]

_newer = ratings.alias("newer")
# The ratings that count: no newer revision by the same reviewer, and not retracted.
_counts = sa.and_(
    ~sa.exists().where(
        _newer.c.prediction_id == ratings.c.prediction_id,
        _newer.c.reviewer == ratings.c.reviewer,
        _newer.c.id > ratings.c.id,
    ),
    ratings.c.retracted.is_(False),
)
current = sa.select(ratings).where(_counts).subquery("current_ratings")
_up = sa.func.coalesce(sa.func.sum(sa.case((current.c.verdict == "up", 1), else_=0)), 0)
_down = sa.func.coalesce(sa.func.sum(sa.case((current.c.verdict == "down", 1), else_=0)), 0)


class FeedbackLog:
    """The log in one database. Every method raises LogUnavailable if that fails."""

    def __init__(self, url: str) -> None:
        """Opens the database and brings its schema up to date; see Database for what it raises."""
        self._database = Database(url)

    def record(self, entry: Entry) -> None:
        """Stores a prediction once, however often it is called with it."""
        with self._database.connect(write=True) as connection:
            insert = INSERT.get(connection.dialect.name)
            if insert is None:
                _insert_new(connection, predictions, [entry_values(entry)])
            else:
                statement = insert(predictions).values(entry_values(entry))
                connection.execute(statement.on_conflict_do_nothing())

    def rate(self, rating: Rating) -> bool:
        """Stores a rating unless it says what its reviewer's newest already says.

        Returns whether it was stored. Raises FeedbackError if its prediction is not in the log.
        """
        with self._database.connect(write=True) as connection:
            # The lock makes two clicks at once wait for each other (SQLite locks the file).
            rated = sa.select(predictions.c.id).where(predictions.c.id == rating.prediction_id)
            if connection.execute(rated.with_for_update()).first() is None:
                raise FeedbackError(f"There is no prediction {rating.prediction_id} to rate.")
            newest = connection.execute(
                sa.select(ratings)
                .where(
                    ratings.c.prediction_id == rating.prediction_id,
                    ratings.c.reviewer == rating.reviewer,
                )
                .order_by(ratings.c.id.desc())
                .limit(1)
            ).first()
            said = Rating(**newest._mapping).content if newest else None
            there = sa.select(ratings.c.id).where(ratings.c.id == rating.id)
            if connection.execute(there).first() is not None:
                return False  # a repeated call, after one whose answer was lost
            if said == rating.content or (said is None and rating.retracted):
                return False
            connection.execute(sa.insert(ratings).values(_rating_values(rating)))
            return True

    def add(self, entries: Iterable[Entry], revisions: Iterable[Rating]) -> Added:
        """Stores what is not there yet, all or nothing; what is there stays as it is."""
        with self._database.connect(write=True) as connection:
            made = _insert_new(connection, predictions, [entry_values(e) for e in entries])
            rated = _insert_new(connection, ratings, [_rating_values(r) for r in revisions])
        return Added(made[0], rated[0], made[1] + rated[1])

    def find(self, prediction_id: UUID) -> Entry | None:
        """The entry of a prediction, or None if the log has none."""
        with self._database.connect() as connection:
            row = connection.execute(
                sa.select(predictions).where(predictions.c.id == prediction_id)
            ).first()
        return entry_from(_values(row)) if row else None

    def ratings_of(self, prediction_id: UUID) -> list[Rating]:
        """The ratings of a prediction that count, oldest first."""
        question = sa.select(current).where(current.c.prediction_id == prediction_id)
        with self._database.connect() as connection:
            rows = connection.execute(question.order_by(current.c.id)).all()
        return [Rating(**row._mapping) for row in rows]

    def counts(self) -> Counts:
        """How many predictions, ratings and reviewers there are."""
        question = sa.select(
            sa.select(sa.func.count()).select_from(predictions).scalar_subquery(),
            sa.func.count(current.c.prediction_id.distinct()),
            _up,
            _down,
            sa.func.count(current.c.reviewer.distinct()),
        )
        with self._database.connect() as connection:
            return Counts(*connection.execute(question).one())

    def labels(self) -> list[str]:
        """The labels that were predicted, in alphabetical order; "" is none."""
        question = (
            sa.select(predictions.c.label)
            .where(predictions.c.label != "")
            .distinct()
            .order_by(predictions.c.label)
        )
        with self._database.connect() as connection:
            return list(connection.execute(question).scalars())

    def tally_by_day(self) -> list[Tally]:
        """Ratings a day (UTC), oldest first."""
        day = sa.func.date(current.c.created_at, type_=sa.Date)
        question = sa.select(day, _up, _down).group_by(day).order_by(day)
        with self._database.connect() as connection:
            return [Tally(*row) for row in connection.execute(question)]

    def tally_by_label(self, *, limit: int) -> list[Tally]:
        """Ratings a predicted label, the most rated first."""
        question = (
            sa.select(predictions.c.label, _up, _down)
            .join(current, current.c.prediction_id == predictions.c.id)
            .group_by(predictions.c.label)
            .order_by(sa.func.count().desc(), predictions.c.label)
            .limit(limit)
        )
        with self._database.connect() as connection:
            return [Tally(*row) for row in connection.execute(question)]

    def count(self, chosen: Filter) -> int:
        """How many rows `page` has in all."""
        question = _filtered(sa.select(sa.func.count()), chosen)
        with self._database.connect() as connection:
            return int(connection.execute(question).scalar_one())

    def page(self, chosen: Filter, *, offset: int, limit: int) -> list[Row]:
        """Predictions with each rating that counts, newest first."""
        question = (
            _filtered(_rows(current), chosen)
            .order_by(predictions.c.id.desc(), current.c.id.desc())
            .offset(offset)
            .limit(limit)
        )
        with self._database.connect() as connection:
            return [_row(row) for row in connection.execute(question)]

    def history(self, *, unrated: bool) -> Iterator[Row]:
        """Every revision of every rating, and with `unrated` the predictions that have none."""
        question = (
            _rows(ratings)
            .select_from(predictions.join(ratings, isouter=unrated))
            .order_by(predictions.c.id, ratings.c.id)
        )
        with self._database.connect() as connection:
            rows = connection.execution_options(yield_per=CHUNK).execute(question)
            for row in rows:
                yield _row(row)

    def close(self) -> None:
        self._database.close()


def _rating_values(rating: Rating) -> dict[str, Any]:
    return {column.name: getattr(rating, column.name) for column in ratings.columns}


def _insert_new(
    connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]
) -> tuple[int, int]:
    """How many rows were inserted, and how many are there with other content."""
    unique = list({row["id"]: row for row in rows}.values())
    chunks = [unique[start : start + CHUNK] for start in range(0, len(unique), CHUNK)]
    counts = [_insert_chunk(connection, table, chunk) for chunk in chunks]
    return sum(new for new, _ in counts), sum(other for _, other in counts)


def _insert_chunk(
    connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]
) -> tuple[int, int]:
    def insert_missing() -> tuple[int, int]:
        known = sa.select(table).where(table.c.id.in_([row["id"] for row in rows]))
        there = {row["id"]: dict(row) for row in connection.execute(known).mappings()}
        new = [row for row in rows if row["id"] not in there]
        if new:
            with connection.begin_nested():
                connection.execute(sa.insert(table), new)
        return len(new), sum(there.get(row["id"], row) != row for row in rows)

    try:
        return insert_missing()
    except IntegrityError:  # another process stored some of them in between; now they are seen
        return insert_missing()


def _rows(judgements: sa.FromClause) -> sa.Select[Any]:
    """The columns of both tables; those of the ratings are prefixed."""
    return sa.select(
        predictions, *(column.label(f"rating_{column.name}") for column in judgements.columns)
    )


def _values(row: sa.Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # SQLAlchemy's public way to the names, whatever the underscore says


def _row(row: sa.Row[Any]) -> Row:
    values = _values(row)
    if values["rating_id"] is None:
        return entry_from(values), None
    rating = Rating(**{column.name: values[f"rating_{column.name}"] for column in ratings.columns})
    return entry_from(values), rating


def _filtered(question: sa.Select[Any], chosen: Filter) -> sa.Select[Any]:
    question = question.select_from(
        predictions.outerjoin(current, current.c.prediction_id == predictions.c.id)
    )
    if chosen.verdict == "unrated":
        question = question.where(current.c.id.is_(None))
    elif chosen.verdict:
        question = question.where(current.c.verdict == chosen.verdict)
    if chosen.label:
        question = question.where(predictions.c.label == chosen.label)
    if chosen.text:
        question = question.where(predictions.c.input.icontains(chosen.text, autoescape=True))
    return question
