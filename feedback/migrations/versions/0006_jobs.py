"""Jobs: predictions of the rows of a source, in tables of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_jobs()
    _create_predictions()
    op.create_table(
        "job_rejects",
        sa.Column("job", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job", "number", name="pk_job_rejects"),
        sa.ForeignKeyConstraint(["job"], ["jobs.number"], name="fk_job_rejects_job_jobs"),
    )
    op.create_table(
        "job_totals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column("measure", sa.String(6), nullable=False),
        sa.Column("bin", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job_totals"),
        sa.ForeignKeyConstraint(["job"], ["jobs.number"], name="fk_job_totals_job_jobs"),
        sa.ForeignKeyConstraint(
            ["origin"], ["job_origins.number"], name="fk_job_totals_origin_job_origins"
        ),
    )
    op.create_index("ix_job_totals_job_measure", "job_totals", ["job", "measure"])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("text_column", sa.Text(), nullable=False),
        sa.Column("key_column", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("state", sa.String(11), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("rejects", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("uncopied", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_jobs"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_jobs_batch_id_batches"),
    )
    op.create_index("ix_jobs_batch_id", "jobs", ["batch_id"], unique=True)
    op.create_index("ix_jobs_name", "jobs", ["name"], unique=True)
    op.create_table(
        "job_origins",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("model_revision", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_job_origins"),
    )
    op.create_index("ix_job_origins_id", "job_origins", ["id"], unique=True)


def _create_predictions() -> None:
    op.create_table(
        "job_predictions",
        sa.Column("job", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("newest", sa.Boolean(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=True),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("output", sa.JSON(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("margin", sa.Double(), nullable=True),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("queue_ms", sa.Double(), nullable=False),
        sa.Column("inference_ms", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("job", "key", "version", name="pk_job_predictions"),
    )
    for name, columns in {
        "place": ["job", "place"],
        "content": ["job", "content", "place"],
    }.items():
        op.create_index(
            f"ix_job_predictions_{name}",
            "job_predictions",
            columns,
            sqlite_where=sa.text("newest = 1"),
            postgresql_where=sa.text("newest"),
        )
    op.create_index(
        "ix_job_predictions_prediction_id", "job_predictions", ["prediction_id"], unique=True
    )
