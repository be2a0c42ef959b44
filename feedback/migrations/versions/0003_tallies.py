"""Totals beside the log, so that no page counts all of it; the runtime of a prediction."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
REBUILDS = True  # adds totals, which follow from what is in the log


def upgrade() -> None:
    op.add_column(
        "predictions", sa.Column("runtime", sa.Text(), nullable=False, server_default="torch")
    )
    op.add_column(
        "predictions", sa.Column("rated", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column(
        "ratings", sa.Column("superseded", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_table(
        "tallies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("model_revision", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(4), nullable=False),
        sa.Column("ratings", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tallies"),
    )
    op.create_table(
        "reviewers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("ratings", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reviewers"),
    )
    op.create_table(
        "labels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_labels"),
    )
    op.create_index(
        "ix_ratings_verdict_prediction_id_id",
        "ratings",
        ["verdict", "prediction_id", "id"],
        sqlite_where=sa.text("superseded = 0 AND retracted = 0"),
        postgresql_where=sa.text("NOT superseded AND NOT retracted"),
    )
    op.create_index(
        "ix_predictions_unrated",
        "predictions",
        ["id"],
        sqlite_where=sa.text("rated = 0"),
        postgresql_where=sa.text("rated = 0"),
    )
