"""Drops the index of ratings from the random share: no query uses it."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_ratings_random", table_name="ratings")
