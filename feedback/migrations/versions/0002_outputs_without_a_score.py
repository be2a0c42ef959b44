"""Generated text has no score and no margin."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("score", "margin"):
        if op.get_bind().dialect.name != "sqlite":
            op.alter_column("predictions", name, existing_type=sa.Double(), nullable=True)
            continue
        # SQLite cannot alter a column, and to rebuild the table would break the ratings' reference
        op.add_column("predictions", sa.Column(f"new_{name}", sa.Double(), nullable=True))
        op.execute(f"UPDATE predictions SET new_{name} = {name}")  # noqa: S608
        op.execute(f"ALTER TABLE predictions DROP COLUMN {name}")
        op.execute(f"ALTER TABLE predictions RENAME COLUMN new_{name} TO {name}")
