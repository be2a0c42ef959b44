"""The tables of the log and the column types that hold any text and any instant.

What is recorded is in predictions and ratings; the rest follows from it (see feedback.derived).

The migrations in `feedback/migrations` make the same tables; a test compares the two.
"""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from feedback.escape import storable, unstorable


def compact_json(value: Any) -> str:
    """JSON without spaces: as it is stored, and as it is exported."""
    return json.dumps(value, separators=(",", ":"))


class AnyText(sa.TypeDecorator[str]):
    """Text as typed, NUL and lone surrogates included (see feedback.escape)."""

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
    sa.Column("rated", sa.Integer, nullable=False, server_default="0"),  # ratings that count
)
sa.Index(
    "ix_predictions_unrated",
    predictions.c.id,
    sqlite_where=sa.text("rated = 0"),
    postgresql_where=sa.text("rated = 0"),
)

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
