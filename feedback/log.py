"""class FeedbackLog: records predictions and ratings and answers questions about them.

Append-only: a changed mind is a new revision, and the newest of each reviewer counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from feedback.database import Database
from feedback.errors import FeedbackError
from feedback.records import (
    Added,
    Counts,
    Entry,
    Filter,
    Rating,
    Revision,
    entry_from,
    entry_values,
)
from feedback.tables import AnyText, judgements, labels, predictions, ratings, reviewers, tallies
from feedback.totals import (
    CHUNK,
    chunks,
    counts,
    in_score_bin,
    insert_or,
    note_labels,
    recounted,
    truth,
)

EXPORTED_AT_ONCE = 500
Row = tuple[Entry, Rating | None]

_RATING = [column for column in ratings.columns if column.name != "superseded"]
current = sa.select(*_RATING).where(counts).subquery("current_ratings")
_up = sa.func.coalesce(sa.func.sum(sa.case((tallies.c.verdict == "up", tallies.c.ratings))), 0)
_down = sa.func.coalesce(sa.func.sum(sa.case((tallies.c.verdict == "down", tallies.c.ratings))), 0)
_id = predictions.c.id
_unrated = predictions.c.rated == sa.literal_column("0")  # spelled as its index is


class FeedbackLog:
    """The log in one database. Every method raises LogUnavailable if that fails."""

    def __init__(self, url: str) -> None:
        """Opens the database and brings its schema up to date; see Database for what it raises."""
        self.database = Database(url)

    def record(self, entry: Entry) -> None:
        """Stores a prediction once, however often it is called with it."""
        values = entry_values(entry)
        with self.database.connect(write=True) as connection:
            insert_or(connection, predictions, values, then={})
            note_labels(connection, [values["label"]])

    def rate(self, rating: Rating) -> bool:
        """Stores a rating unless it says what its reviewer's newest already says.

        Returns whether it was stored. Raises FeedbackError if its prediction is not in the log.
        """
        with self.database.connect(write=True) as connection:
            # The lock makes two clicks at once wait for each other (SQLite locks the file).
            rated = sa.select(predictions.c.id).where(predictions.c.id == rating.prediction_id)
            if connection.execute(rated.with_for_update()).first() is None:
                raise FeedbackError(f"There is no prediction {rating.prediction_id} to rate.")
            newest = connection.execute(
                sa.select(*_RATING)
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
            with recounted(connection, [rating.prediction_id]):
                connection.execute(sa.insert(ratings).values(_rating_values(rating)))
            return True

    def add(self, entries: Iterable[Entry], revisions: Iterable[Rating]) -> Added:
        """Stores what is not there yet, all or nothing; what is there stays as it is."""
        stored = [entry_values(entry) for entry in entries]
        rows = [_rating_values(rating) for rating in revisions]
        with self.database.connect(write=True) as connection:
            made = insert_new(connection, predictions, stored)
            note_labels(connection, {values["label"] for values in stored})
            with recounted(connection, {row["prediction_id"] for row in rows}):
                rated = insert_new(connection, ratings, rows)
        return Added(made[0], rated[0], made[1] + rated[1])

    def find(self, prediction_id: UUID) -> Entry | None:
        """The entry of a prediction, or None if the log has none."""
        with self.database.connect() as connection:
            row = connection.execute(
                sa.select(predictions).where(predictions.c.id == prediction_id)
            ).first()
        return entry_from(_values(row)) if row else None

    def ratings_of(self, prediction_id: UUID) -> list[Rating]:
        """The ratings of a prediction that count, oldest first."""
        question = sa.select(current).where(current.c.prediction_id == prediction_id)
        with self.database.connect() as connection:
            rows = connection.execute(question.order_by(current.c.id)).all()
        return [Rating(**row._mapping) for row in rows]

    def counts(self) -> Counts:
        """How many predictions, ratings and reviewers there are."""

        def number(of: sa.FromClause, *where: Any) -> Any:
            return sa.select(sa.func.count()).select_from(of).where(*where).scalar_subquery()

        question = sa.select(
            number(predictions),
            number(predictions, _unrated),
            _up,
            _down,
            number(reviewers, reviewers.c.ratings > 0),
        )
        with self.database.connect() as connection:
            every, unrated, up, down, reviewing = connection.execute(question).one()
        return Counts(every, every - unrated, up, down, reviewing)

    def labels(self) -> list[str]:
        """The labels that were predicted, in alphabetical order; "" is none."""
        with self.database.connect() as connection:
            return sorted(connection.execute(sa.select(labels.c.label)).scalars())

    def count(self, chosen: Filter, *, limit: int) -> int:
        """How many rows `page` has in all, or `limit` if there are more: counting reads them,
        unless it is kept."""
        if _is_kept(chosen):
            question = sa.select(sa.func.coalesce(sa.func.sum(judgements.c.ratings), 0)).where(
                *_judged(chosen)
            )
        else:
            rows = _filtered(sa.select(sa.literal(1)), chosen).limit(limit).subquery()
            question = sa.select(sa.func.count()).select_from(rows)
        with self.database.connect() as connection:
            return min(limit, int(connection.execute(question).scalar_one()))

    def page(self, chosen: Filter, *, offset: int, limit: int) -> list[Row]:
        """Predictions with each rating that counts, newest first."""
        # Ordered by the table that SQLite goes through first, or it sorts all that it finds.
        by_rating = _has_verdict(chosen) or (_asks_ratings(chosen) and not chosen.revision)
        newest = current.c.prediction_id if by_rating else predictions.c.id
        question = (
            _filtered(_rows(current), chosen)
            .order_by(newest.desc(), current.c.id.desc())
            .offset(offset)
            .limit(limit)
        )
        with self.database.connect() as connection:
            return [_row(row) for row in connection.execute(question)]

    def mistakes(self, revision: Revision | None = None, *, limit: int) -> list[Row]:
        """The predictions rated down that have the highest scores, with each such rating."""
        surest = sa.select(_id).where(
            sa.literal_column("down > 0"),  # spelled as its index is
            predictions.c.score.is_not(None),
        )
        ordered = _of(surest, revision).order_by(predictions.c.score.desc(), _id.desc())
        with self.database.connect() as connection:
            ids = connection.execute(ordered.limit(limit)).scalars().all()
            question = (
                _rows(current)
                .select_from(predictions.join(current, current.c.prediction_id == _id))
                .where(_id.in_(ids), current.c.verdict == "down")
                .order_by(predictions.c.score.desc(), _id.desc(), current.c.id)
            )
            return [_row(row) for row in connection.execute(question)]

    def history(self, *, unrated: bool) -> Iterator[Row]:
        """Every revision of every rating, and with `unrated` the predictions that have none."""
        question = (
            _rows(ratings)
            .select_from(predictions.join(ratings, isouter=unrated))
            .order_by(predictions.c.id, ratings.c.id)
        )
        with self.database.connect() as connection:
            rows = connection.execution_options(yield_per=CHUNK).execute(question)
            for row in rows:
                yield _row(row)

    def stored(
        self, of_predictions: Iterable[str], of_ratings: Iterable[str], *, unrated: bool
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """The rows of `history` by some columns, as the database has them, some hundreds at a time.

        What is stored while this goes on may be among them.

        Text is as `files.escape` makes it storable, ids, times and JSON are text, and what a
        prediction without a rating has none of is None.
        """
        columns = [
            *(_as_stored(predictions.c[name]) for name in of_predictions),
            *(_as_stored(ratings.c[name]) for name in of_ratings),
        ]
        rated = sa.true() if unrated else sa.exists().where(ratings.c.prediction_id == _id)
        last = UUID(int=0)
        while True:
            # A connection for each piece: a reader who stalls must not keep one from the others.
            with self.database.connect() as connection:
                some = sa.select(_id).where(_id > last, rated).order_by(_id).limit(EXPORTED_AT_ONCE)
                until = connection.execute(
                    sa.select(_id).where(_id.in_(some)).order_by(_id.desc()).limit(1)
                ).scalar_one_or_none()
                if until is None:
                    return
                question = (
                    sa.select(*columns)
                    .select_from(predictions.join(ratings, isouter=unrated))
                    .where(_id > last, _id <= until)
                    .order_by(_id, ratings.c.id)
                )
                rows = connection.execute(question).all()
            yield rows
            last = until

    def close(self) -> None:
        self.database.close()


def _as_stored(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    if isinstance(column.type, AnyText | sa.String):
        return sa.type_coerce(column, sa.Text)
    if isinstance(column.type, sa.Double | sa.Boolean):
        return column
    return sa.cast(column, sa.Text)


def _rating_values(rating: Rating) -> dict[str, Any]:
    return {column.name: getattr(rating, column.name) for column in _RATING}


def insert_new(
    connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]
) -> tuple[int, int]:
    """How many rows were inserted, and how many are there with other content."""
    unique = list({row["id"]: row for row in rows}.values())
    made = [_insert_chunk(connection, table, chunk) for chunk in chunks(unique)]
    return sum(new for new, _ in made), sum(other for _, other in made)


def _insert_chunk(
    connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]
) -> tuple[int, int]:
    def insert_missing() -> tuple[int, int]:
        known = sa.select(table).where(table.c.id.in_([row["id"] for row in rows]))
        there = {row["id"]: dict(row) for row in connection.execute(known).mappings()}
        new = [row for row in rows if row["id"] not in there]
        if new:
            with connection.begin_nested():
                connection.execute(sa.insert(table), new)
        same = [there.get(row["id"], row).items() >= row.items() for row in rows]
        return len(new), same.count(False)

    try:
        return insert_missing()
    except IntegrityError:  # another process stored some of them in between; now they are seen
        return insert_missing()


def _rows(said: sa.FromClause) -> sa.Select[Any]:
    """The columns of both tables; those of the ratings are prefixed."""
    return sa.select(
        predictions, *(said.c[one.name].label(f"rating_{one.name}") for one in _RATING)
    )


def _values(row: sa.Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # SQLAlchemy's public way to the names, whatever the underscore says


def _row(row: sa.Row[Any]) -> Row:
    values = _values(row)
    if values["rating_id"] is None:
        return entry_from(values), None
    rating = Rating(**{column.name: values[f"rating_{column.name}"] for column in _RATING})
    return entry_from(values), rating


def _of(question: sa.Select[Any], revision: Revision | None) -> sa.Select[Any]:
    if revision is None:
        return question
    return question.where(
        predictions.c.model_id == revision.model_id,
        predictions.c.model_revision == revision.model_revision,
    )


def _filtered(question: sa.Select[Any], chosen: Filter) -> sa.Select[Any]:
    question = question.select_from(
        predictions.outerjoin(current, current.c.prediction_id == predictions.c.id)
    )
    if chosen.verdict == "unrated":
        question = question.where(_unrated)
    elif chosen.verdict:
        question = question.where(current.c.verdict == chosen.verdict)
    if chosen.label:
        question = question.where(predictions.c.label == chosen.label)
    if chosen.text:
        question = question.where(predictions.c.input.icontains(chosen.text, autoescape=True))
    return _of(question, chosen.revision).where(*_behind(chosen))


def _has_verdict(chosen: Filter) -> bool:
    return chosen.verdict in ("up", "down")


def _asks_ratings(chosen: Filter) -> bool:
    said = (chosen.truth, chosen.day, chosen.blind is not None)
    return _has_verdict(chosen) or any(said)


def _is_kept(chosen: Filter) -> bool:
    """Whether `judgements` knows how many ratings there are."""
    rated = chosen.rated or _asks_ratings(chosen)
    narrowed = (chosen.verdict == "unrated", chosen.text, chosen.day, chosen.disputed)
    return rated and chosen.drawn_to is None and not any(narrowed)


def _judged(chosen: Filter) -> Iterator[sa.ColumnElement[bool]]:
    revision = chosen.revision
    wanted = {
        "verdict": chosen.verdict or None,
        "label": chosen.label or None,
        "truth": chosen.truth or None,
        "score_bin": chosen.tenth,
        "blind": chosen.blind,
        "model_id": revision and revision.model_id,
        "model_revision": revision and revision.model_revision,
    }
    for name, value in wanted.items():
        if value is not None:
            yield judgements.c[name] == value


def _behind(chosen: Filter) -> Iterator[sa.ColumnElement[bool]]:
    """What an insight counts."""
    # Both leave rated predictions, each spelled so that SQLite goes in the order of `page`.
    if _asks_ratings(chosen):
        yield current.c.id.is_not(None)
    elif chosen.rated:
        yield predictions.c.rated + 0 > 0
    if chosen.disputed:
        yield sa.literal_column("(down > 0 AND down < rated)")  # spelled as its index is
    if chosen.tenth is not None:
        yield in_score_bin(chosen.tenth)
    if chosen.truth:
        yield truth(current) == chosen.truth
    if chosen.day:
        start = datetime.combine(chosen.day, time(), UTC)
        yield current.c.created_at >= start
        yield current.c.created_at < start + timedelta(days=1)
    if chosen.blind is not None:
        yield current.c.blind.is_(chosen.blind)
    if chosen.drawn_to is not None:
        yield predictions.c.draw <= chosen.drawn_to
        yield predictions.c.source != "compare"
