"""Predictions have the text that the model read, where that is not the input."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("predictions", "job_predictions"):
        op.add_column(table, sa.Column("read", sa.Text(), nullable=True))
