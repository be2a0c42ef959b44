"""Predictions of jobs as rows of the table `predictions`, which has copies of some of them.

`predictions` stays small, so that pages stay quick: it gets a copy of a job's prediction that is up
for review (see feedback.jobs.storing), or when somebody rates it. A copy has the same id.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from feedback.records import Source, entry_from, entry_values
from feedback.tables import ROWS_AT_ONCE, job_origins, job_predictions, jobs, predictions

SOURCE: Source = "job"
SESSION = "job"  # the session of all predictions of jobs

_made = job_predictions.c
# The columns of `predictions` that each entry has, by their names there.
COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    _made.prediction_id.label("id"),
    _made.created_at,
    sa.literal(SOURCE, predictions.c.source.type).label("source"),
    jobs.c.batch_id,
    sa.literal(SESSION, predictions.c.session_id.type).label("session_id"),
    job_origins.c.task,
    job_origins.c.model_id,
    job_origins.c.model_revision,
    job_origins.c.runtime,
    sa.func.coalesce(_made.params, job_origins.c.params, type_=sa.JSON()).label("params"),
    _made.input,
    _made.output,
    _made.label,
    _made.score,
    _made.margin,
    _made.truncated,
    _made.queue_ms,
    _made.inference_ms,
    _made.read,
)
JOINED = job_predictions.join(jobs, jobs.c.number == _made.job).join(
    job_origins, job_origins.c.number == _made.origin
)
_is_copied = sa.exists().where(predictions.c.id == _made.prediction_id)
# The predictions of jobs that `predictions` has no copy of.
uncopied = sa.select(*COLUMNS).select_from(JOINED).where(~_is_copied).subquery("uncopied")


def find(connection: sa.Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The columns of predictions that have no copy, by their ids; others are left out."""
    rows: dict[UUID, dict[str, Any]] = {}
    for first in range(0, len(ids), ROWS_AT_ONCE):
        query = sa.select(uncopied).where(uncopied.c.id.in_(ids[first : first + ROWS_AT_ONCE]))
        rows |= {row["id"]: dict(row) for row in connection.execute(query).mappings()}
    return rows


def copy(connection: sa.Connection, ids: Iterable[UUID]) -> None:
    """Copies predictions that have no copy into `predictions`; other ids are passed over."""
    wanted = sorted(set(ids))
    batch_ids = sorted({row["batch_id"] for row in find(connection, wanted).values()})
    for batch_id in batch_ids:
        # Whoever copies waits for others who do, as for a job that stores, and then looks again.
        locked = sa.select(jobs.c.number).where(jobs.c.batch_id == batch_id)
        connection.execute(locked.with_for_update())
        rows = [row for row in find(connection, wanted).values() if row["batch_id"] == batch_id]
        if rows:
            values = [entry_values(entry_from(row)) for row in rows]
            connection.execute(sa.insert(predictions), values)
            fewer = jobs.c.uncopied - len(rows)
            connection.execute(
                sa.update(jobs).where(jobs.c.batch_id == batch_id).values(uncopied=fewer)
            )
