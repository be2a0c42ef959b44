"""The tables of the log: column types for any text and any instant, indexes, their conditions.

Predictions, ratings, batches and preferences are recorded; the other tables, and the columns
`rated`, `down` and `superseded`, follow from predictions and ratings (see feedback.totals). Jobs
have tables of their own, for `predictions` stays quick only while it is small.

The migrations in `feedback/migrations` make the same tables; a test compares the two.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from feedback.records import Source
from files.escape import storable, unstorable

ROWS_AT_ONCE = 500  # rows of one statement, and of one piece of a file


class AnyText(sa.TypeDecorator[str]):
    """Text as typed, NUL and lone surrogates included (see files.escape)."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else storable(value)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else unstorable(value)


class Instant(sa.TypeDecorator[datetime]):
    """An aware datetime, stored as naive UTC: every database has that, and sorts it."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)

predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("created_at", Instant, nullable=False, index=True),
    sa.Column("source", AnyText, nullable=False),
    sa.Column("batch_id", sa.Uuid, nullable=True),
    sa.Column("session_id", AnyText, nullable=False),
    sa.Column("task", AnyText, nullable=False),
    sa.Column("model_id", AnyText, nullable=False),
    sa.Column("model_revision", AnyText, nullable=False),
    sa.Column("runtime", AnyText, nullable=False, server_default="torch"),
    sa.Column("params", sa.JSON, nullable=False),
    sa.Column("input", AnyText, nullable=False),
    sa.Column("output", sa.JSON, nullable=False),
    sa.Column("label", AnyText, nullable=False),
    # null for a generated text, and for a text without spans
    sa.Column("score", sa.Double, nullable=True),
    sa.Column("margin", sa.Double, nullable=True),
    sa.Column("truncated", sa.Boolean, nullable=False),
    sa.Column("queue_ms", sa.Double, nullable=False),
    sa.Column("inference_ms", sa.Double, nullable=False),
    sa.Column("read", AnyText, nullable=True),  # null if the model read the input
    sa.Column("draw", sa.Integer, nullable=False, server_default="0"),  # a random order, fixed
    sa.Column("rated", sa.Integer, nullable=False, server_default="0"),  # ratings that count
    sa.Column("down", sa.Integer, nullable=False, server_default="0"),  # of those, thumbs down
)
# The conditions of the partial indexes, for queries too: a database uses such an index only for a
# query that has its condition as it stands here. So 0 is a literal and not a parameter.
_ZERO: sa.ColumnElement[int] = sa.literal_column("0")
UNRATED = predictions.c.rated == _ZERO
RATED = predictions.c.rated > _ZERO
MISTAKEN = predictions.c.down > _ZERO
DISPUTED = sa.and_(predictions.c.down > _ZERO, predictions.c.down < predictions.c.rated)
IN_BATCH = predictions.c.batch_id.is_not(None)
# Two models side by side are compared with each other, and not reviewed one by one.
_SIDE_BY_SIDE: Source = "compare"
REVIEWED_ALONE = predictions.c.source != _SIDE_BY_SIDE


def _partial_index(
    name: str | None, *columns: sa.Column[Any], where: sa.ColumnElement[bool]
) -> None:
    sa.Index(name, *columns, sqlite_where=where, postgresql_where=where)


_partial_index("ix_predictions_unrated", predictions.c.id, where=UNRATED)
_partial_index("ix_predictions_unrated_margin", predictions.c.margin, where=UNRATED)
_partial_index("ix_predictions_unrated_draw", predictions.c.draw, where=UNRATED)
_partial_index("ix_predictions_rated_margin", predictions.c.margin, where=RATED)
_partial_index("ix_predictions_disputed", predictions.c.id, where=DISPUTED)
_partial_index("ix_predictions_mistaken", predictions.c.score, where=MISTAKEN)
_partial_index("ix_predictions_batch", predictions.c.batch_id, where=IN_BATCH)
sa.Index(None, predictions.c.draw, predictions.c.rated, predictions.c.down)

ratings = sa.Table(
    "ratings",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("prediction_id", sa.ForeignKey("predictions.id"), nullable=False),
    sa.Column("created_at", Instant, nullable=False, index=True),
    sa.Column("reviewer", AnyText, nullable=False),
    sa.Column("verdict", sa.String(4), nullable=False),
    sa.Column("correction", AnyText, nullable=False),
    sa.Column("comment", AnyText, nullable=False),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("retracted", sa.Boolean, nullable=False),
    sa.Column("sampling", AnyText, nullable=False, server_default=""),
    sa.Column("attribution", AnyText, nullable=False, server_default=""),
    # by a newer revision of the same reviewer
    sa.Column("superseded", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(None, "prediction_id", "reviewer", "id"),
)
# The ratings that count: the newest of each reviewer, unless it is retracted.
CURRENT = sa.and_(~ratings.c.superseded, ~ratings.c.retracted)
_partial_index(None, ratings.c.verdict, ratings.c.prediction_id, ratings.c.id, where=CURRENT)
RATING_COLUMNS = [column for column in ratings.columns if column.name != "superseded"]
current_ratings = sa.select(*RATING_COLUMNS).where(CURRENT).subquery("current_ratings")

# Ratings that count, by day, model, label and verdict. As in the other tables of totals, `id` is
# made of the columns that the numbers are counted by.
tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("day", sa.Date, nullable=False),  # UTC, of the rating
    sa.Column("model_id", AnyText, nullable=False),
    sa.Column("model_revision", AnyText, nullable=False),
    sa.Column("label", AnyText, nullable=False),  # predicted
    sa.Column("verdict", sa.String(4), nullable=False),
    sa.Column("ratings", sa.Integer, nullable=False),
)

# The same ratings by score and by the label that is right.
judgements = sa.Table(
    "judgements",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("model_id", AnyText, nullable=False),
    sa.Column("model_revision", AnyText, nullable=False),
    sa.Column("label", AnyText, nullable=False),  # predicted
    sa.Column("truth", AnyText, nullable=False),  # the right label, "" if it is unknown
    sa.Column("verdict", sa.String(4), nullable=False),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("sampling", AnyText, nullable=False),
    sa.Column("score_bin", sa.Integer, nullable=False),  # tenths, -1 without a score
    sa.Column("ratings", sa.Integer, nullable=False),
    sa.Column("score_millionths", sa.BigInteger, nullable=False),  # the sum: whole, so exact
)

# Predictions with two ratings or more, by the number of each verdict.
splits = sa.Table(
    "splits",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("up", sa.Integer, nullable=False),
    sa.Column("down", sa.Integer, nullable=False),
    sa.Column("predictions", sa.Integer, nullable=False),
)

# Predictions that two reviewers and nobody else rated, by reviewer and verdict.
pairs = sa.Table(
    "pairs",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("first", AnyText, nullable=False),
    sa.Column("second", AnyText, nullable=False),
    sa.Column("first_verdict", sa.String(4), nullable=False),
    sa.Column("second_verdict", sa.String(4), nullable=False),
    sa.Column("predictions", sa.Integer, nullable=False),
)

reviewers = sa.Table(
    "reviewers",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("reviewer", AnyText, nullable=False),
    sa.Column("ratings", sa.Integer, nullable=False),
)

labels = sa.Table(
    "labels",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("label", AnyText, nullable=False),
)

# Many inputs under one name. The upload is stored row by row, so that the file of results has its
# columns, and an interrupted batch can go on.
batches = sa.Table(
    "batches",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("session_id", AnyText, nullable=False),
    sa.Column("name", AnyText, nullable=False),
    sa.Column("columns", AnyText, nullable=False),  # JSON list
    sa.Column("text_column", sa.Integer, nullable=False),
    sa.Column("params", AnyText, nullable=False),  # JSON object
    sa.Column("rows", sa.Integer, nullable=False),
)

batch_rows = sa.Table(
    "batch_rows",
    metadata,
    sa.Column("batch_id", sa.ForeignKey("batches.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),  # the line of the file
    sa.Column("cells", AnyText, nullable=False),  # JSON list
    sa.Column("prediction_id", sa.ForeignKey("predictions.id"), nullable=True, index=True),
    sa.Column("problem", AnyText, nullable=False),  # the reason for no prediction, or ""
)

# Choices between two predictions for one input, in the order in which they were shown.
preferences = sa.Table(
    "preferences",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("reviewer", AnyText, nullable=False),
    sa.Column("first_id", sa.ForeignKey("predictions.id"), nullable=False),
    sa.Column("second_id", sa.ForeignKey("predictions.id"), nullable=False),
    sa.Column("better", sa.String(7), nullable=False),  # first, second or neither
)

# A job: predictions of the rows of a source under one name, made again whenever there is something
# new. It has a row in `batches` too, whose id its copies in `predictions` have.
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("batch_id", sa.ForeignKey("batches.id"), nullable=False),
    sa.Column("name", AnyText, nullable=False),
    sa.Column("source", AnyText, nullable=False),
    sa.Column("source_kind", AnyText, nullable=False),
    sa.Column("text_column", AnyText, nullable=False),
    sa.Column("key_column", AnyText, nullable=False),  # "" if the key is the place
    sa.Column("params", AnyText, nullable=False),  # JSON object
    sa.Column("state", sa.String(11), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("rejects", sa.BigInteger, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("note", AnyText, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),  # predictions, every version of each key
    sa.Column("uncopied", sa.BigInteger, nullable=False),  # of those, not in `predictions`
    sa.Index(None, "batch_id", unique=True),
    sa.Index(None, "name", unique=True),
)

# The origins that predictions of jobs share; `params` are those that many of them have in common.
job_origins = sa.Table(
    "job_origins",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.Uuid, nullable=False),  # made of the other columns
    sa.Column("task", AnyText, nullable=False),
    sa.Column("model_id", AnyText, nullable=False),
    sa.Column("model_revision", AnyText, nullable=False),
    sa.Column("runtime", AnyText, nullable=False),
    sa.Column("params", sa.JSON, nullable=False),
    sa.Index(None, "id", unique=True),
)

# Neither column is a foreign key: jobs and origins are never deleted, and a check of each of
# millions of rows costs a fifth of the time that it takes to store them.
job_predictions = sa.Table(
    "job_predictions",
    metadata,
    sa.Column("job", sa.Integer, primary_key=True),
    sa.Column("key", AnyText, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),  # 1, 2, … of a key
    sa.Column("newest", sa.Boolean, nullable=False),  # of its key
    sa.Column("place", sa.BigInteger, nullable=False),  # in the source, from 0
    sa.Column("content", sa.BigInteger, nullable=False),  # see feedback.jobs.records.content_of
    sa.Column("origin", sa.Integer, nullable=False),
    sa.Column("prediction_id", sa.Uuid, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("params", sa.JSON(none_as_null=True), nullable=True),  # besides the origin's
    sa.Column("input", AnyText, nullable=False),
    sa.Column("output", sa.JSON, nullable=False),
    sa.Column("label", AnyText, nullable=False),
    sa.Column("score", sa.Double, nullable=True),
    sa.Column("margin", sa.Double, nullable=True),
    sa.Column("truncated", sa.Boolean, nullable=False),
    sa.Column("queue_ms", sa.Double, nullable=False),
    sa.Column("inference_ms", sa.Double, nullable=False),
    sa.Column("read", AnyText, nullable=True),  # null if that is the input
    sa.Index(None, "prediction_id", unique=True),
)
NEWEST_OF_KEY = sa.and_(job_predictions.c.newest)
_partial_index(
    "ix_job_predictions_place",
    job_predictions.c.job,
    job_predictions.c.place,
    where=NEWEST_OF_KEY,
)
_partial_index(
    "ix_job_predictions_content",
    job_predictions.c.job,
    job_predictions.c.content,
    job_predictions.c.place,
    where=NEWEST_OF_KEY,
)

job_rejects = sa.Table(
    "job_rejects",
    metadata,
    sa.Column("job", sa.ForeignKey("jobs.number"), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),  # in the source, from 0
    sa.Column("place", AnyText, nullable=False),
    sa.Column("key", AnyText, nullable=False),
    sa.Column("reason", AnyText, nullable=False),
    sa.Column("excerpt", AnyText, nullable=False),
)

# The newest predictions of each key, counted by what `measure` names: label, margin, chars or day.
job_totals = sa.Table(
    "job_totals",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("job", sa.ForeignKey("jobs.number"), nullable=False),
    sa.Column("origin", sa.ForeignKey("job_origins.number"), nullable=False),
    sa.Column("measure", sa.String(6), nullable=False),
    sa.Column("bin", AnyText, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Index(None, "job", "measure"),
)
