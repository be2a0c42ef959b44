"""The tables of the log and the column types that hold any text and any instant.

What is recorded is in predictions and ratings; the rest follows from it (see feedback.totals).

The migrations in `feedback/migrations` make the same tables; a test compares the two.
"""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from files.escape import storable, unstorable


def compact_json(value: Any) -> str:
    """JSON without spaces: as it is stored, and as it is exported."""
    return json.dumps(value, separators=(",", ":"))


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
    # generated text has neither, nor has a text in which nothing was found
    sa.Column("score", sa.Double, nullable=True),
    sa.Column("margin", sa.Double, nullable=True),
    sa.Column("truncated", sa.Boolean, nullable=False),
    sa.Column("queue_ms", sa.Double, nullable=False),
    sa.Column("inference_ms", sa.Double, nullable=False),
    sa.Column("draw", sa.Integer, nullable=False, server_default="0"),  # a random order, fixed
    sa.Column("rated", sa.Integer, nullable=False, server_default="0"),  # ratings that count
    sa.Column("down", sa.Integer, nullable=False, server_default="0"),  # of those, thumbs down
)
_PARTIAL = {  # the queries must spell these conditions as they stand here
    "unrated": (predictions.c.id, "rated = 0"),
    "unrated_margin": (predictions.c.margin, "rated = 0"),
    "unrated_draw": (predictions.c.draw, "rated = 0"),
    "rated_margin": (predictions.c.margin, "rated > 0"),
    "disputed": (predictions.c.id, "down > 0 AND down < rated"),
    "mistaken": (predictions.c.score, "down > 0"),
    "batch": (predictions.c.batch_id, "batch_id IS NOT NULL"),
}
for _name, (_column, _where) in _PARTIAL.items():
    sa.Index(
        f"ix_predictions_{_name}",
        _column,
        sqlite_where=sa.text(_where),
        postgresql_where=sa.text(_where),
    )
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
    # there is a newer revision by the same reviewer
    sa.Column("superseded", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(None, "prediction_id", "reviewer", "id"),
    sa.Index(
        None,
        "verdict",
        "prediction_id",
        "id",
        sqlite_where=sa.text("superseded = 0 AND retracted = 0"),
        postgresql_where=sa.text("NOT superseded AND NOT retracted"),
    ),
)

# How many ratings count, by what a page can show them by; `id` is made of the columns between.
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

# The same ratings by what they say of the scores and of what would have been right.
judgements = sa.Table(
    "judgements",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("model_id", AnyText, nullable=False),
    sa.Column("model_revision", AnyText, nullable=False),
    sa.Column("label", AnyText, nullable=False),  # predicted
    sa.Column("truth", AnyText, nullable=False),  # the one right label, "" if nobody said
    sa.Column("verdict", sa.String(4), nullable=False),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("sampling", AnyText, nullable=False),
    sa.Column("score_bin", sa.Integer, nullable=False),  # tenths, -1 without a score
    sa.Column("ratings", sa.Integer, nullable=False),
    sa.Column("score_millionths", sa.BigInteger, nullable=False),  # their sum: whole, so exact
)

# How many predictions have so many ratings of each verdict; from two on, they can agree or not.
splits = sa.Table(
    "splits",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("up", sa.Integer, nullable=False),
    sa.Column("down", sa.Integer, nullable=False),
    sa.Column("predictions", sa.Integer, nullable=False),
)

# How many predictions were rated by two reviewers and nobody else, by what each said.
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

# Many inputs under one name. What was uploaded is kept row by row, so that the file of results has
# its columns, and a batch that a restart broke off can go on.
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
    sa.Column("problem", AnyText, nullable=False),  # why there is no prediction, or ""
)

# Which of two predictions for one input a reviewer found better, in the order they were shown.
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
