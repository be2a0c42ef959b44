"""Batches, a review queue, preferences, and the totals of insights.

Predictions get a random order, in which a share of them is reviewed; it is made of their ids.
"""

from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
REBUILDS = True  # adds totals, which follow from what is in the log

DRAWS = 2**31 - 1
PARTIAL = {
    "unrated_margin": ("margin", "rated = 0"),
    "unrated_draw": ("draw", "rated = 0"),
    "rated_margin": ("margin", "rated > 0"),
    "disputed": ("id", "down > 0 AND down < rated"),
    "mistaken": ("score", "down > 0"),
    "batch": ("batch_id", "batch_id IS NOT NULL"),
}


def upgrade() -> None:
    for name in ("draw", "down"):
        op.add_column(
            "predictions", sa.Column(name, sa.Integer(), nullable=False, server_default="0")
        )
    for name in ("sampling", "attribution"):
        op.add_column("ratings", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    _draw()
    for name, (column, where) in PARTIAL.items():
        op.create_index(
            f"ix_predictions_{name}",
            "predictions",
            [column],
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
    op.create_index("ix_predictions_draw_rated_down", "predictions", ["draw", "rated", "down"])
    op.create_index(
        "ix_ratings_random",
        "ratings",
        ["prediction_id"],
        sqlite_where=sa.text("sampling = 'random'"),
        postgresql_where=sa.text("sampling = 'random'"),
    )
    _create_totals()
    _create_batches()


def _draw() -> None:
    connection = op.get_bind()
    predictions = sa.table("predictions", sa.column("id", sa.Uuid), sa.column("draw", sa.Integer))
    change = (
        sa.update(predictions)
        .where(predictions.c.id == sa.bindparam("which"))
        .values(draw=sa.bindparam("drawn"))
    )
    last = UUID(int=0)
    while True:
        some = sa.select(predictions.c.id).where(predictions.c.id > last)
        ids = connection.execute(some.order_by(predictions.c.id).limit(10_000)).scalars().all()
        if not ids:
            return
        connection.execute(change, [{"which": id, "drawn": id.int % DRAWS} for id in ids])
        last = ids[-1]


def _create_totals() -> None:
    op.create_table(
        "judgements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("model_revision", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("truth", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(4), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("sampling", sa.Text(), nullable=False),
        sa.Column("score_bin", sa.Integer(), nullable=False),
        sa.Column("ratings", sa.Integer(), nullable=False),
        sa.Column("score_millionths", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_judgements"),
    )
    op.create_table(
        "splits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("up", sa.Integer(), nullable=False),
        sa.Column("down", sa.Integer(), nullable=False),
        sa.Column("predictions", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_splits"),
    )
    op.create_table(
        "pairs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("second", sa.Text(), nullable=False),
        sa.Column("first_verdict", sa.String(4), nullable=False),
        sa.Column("second_verdict", sa.String(4), nullable=False),
        sa.Column("predictions", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pairs"),
    )


def _create_batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("text_column", sa.Integer(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_table(
        "batch_rows",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("cells", sa.Text(), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "number", name="pk_batch_rows"),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name="fk_batch_rows_batch_id_batches"
        ),
        sa.ForeignKeyConstraint(
            ["prediction_id"], ["predictions.id"], name="fk_batch_rows_prediction_id_predictions"
        ),
    )
    op.create_index("ix_batch_rows_prediction_id", "batch_rows", ["prediction_id"])
    op.create_table(
        "preferences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("first_id", sa.Uuid(), nullable=False),
        sa.Column("second_id", sa.Uuid(), nullable=False),
        sa.Column("better", sa.String(7), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_preferences"),
        sa.ForeignKeyConstraint(
            ["first_id"], ["predictions.id"], name="fk_preferences_first_id_predictions"
        ),
        sa.ForeignKeyConstraint(
            ["second_id"], ["predictions.id"], name="fk_preferences_second_id_predictions"
        ),
    )
