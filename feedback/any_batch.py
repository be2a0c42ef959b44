"""A batch, be it a job or of a page: found by name or id, its figures, its predictions by key.

Knows neither pages nor routes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa

from feedback import batches
from feedback.batches import Batch
from feedback.jobs import is_running, jobs, lookup, totals
from feedback.jobs.records import Job, State, StoredPrediction
from feedback.log import FeedbackLog
from feedback.records import ModelRevision
from feedback.tables import predictions

AnyBatch = Job | Batch
UNFINISHED = "unfinished"  # of a page's batch with rows left: its process knows whether it runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The numbers of a batch; `stored` counts the newest prediction of each row.

    `stale` predictions are by another model or revision than the live one; None if there is no
    live model. `oldest` and `newest` are the days (UTC) on which predictions were made, None
    without any.
    """

    id: UUID
    name: str
    kind: Literal["job", "page"]
    source: str
    state: str
    rows: int
    stored: int
    rejects: int
    stale: int | None
    oldest: date | None
    newest: date | None
    created_at: datetime
    updated_at: datetime

    @property
    def stale_share(self) -> float | None:
        """0 to 1; None without predictions or without a live model."""
        return None if self.stale is None or not self.stored else self.stale / self.stored


def find(log: FeedbackLog, name: str) -> AnyBatch | None:
    """The job of this name or id, else the page's batch with this id; None if there is none."""
    if job := jobs.find(log, name):
        return job
    try:
        return batches.find(log, UUID(name))
    except ValueError:
        return None


def id_of(batch: AnyBatch) -> UUID:
    """The id by which pages and routes know the batch."""
    return batch.batch_id if isinstance(batch, Job) else batch.id


def state_of(log: FeedbackLog, job: Job) -> State:
    """The state of a job; a run whose process has ended without a word was interrupted."""
    if job.state == "running" and not is_running(log, job):
        return "interrupted"
    return job.state


def figures(log: FeedbackLog, batch: AnyBatch, live: ModelRevision | None) -> Figures:
    """The figures of a batch, beside the live model if there is one."""
    return _of_job(log, batch, live) if isinstance(batch, Job) else _of_page(log, batch, live)


def by_keys(log: FeedbackLog, batch: AnyBatch, keys: Sequence[str]) -> dict[str, StoredPrediction]:
    """The newest prediction of each key that has one; the key of a page's row is its line."""
    if isinstance(batch, Job):
        return lookup.by_keys(log, batch, keys)
    lines = {int(key): key for key in keys if key.isascii() and key.isdecimal() and len(key) < 10}
    return {
        lines[line]: StoredPrediction(
            key=lines[line], version=1, place=line, entry=entry, newest=True
        )
        for line, entry in batches.of_lines(log, batch, list(lines))
    }


def _of_job(log: FeedbackLog, job: Job, live: ModelRevision | None) -> Figures:
    model = live or ModelRevision("", "")
    summary = totals.summary(log, job, model_id=model.model_id, revision=model.model_revision)
    return Figures(
        id=job.batch_id,
        name=job.name,
        kind="job",
        source=job.source,
        state=state_of(log, job),
        rows=job.rows,
        stored=summary.stored,
        rejects=summary.rejects,
        stale=summary.stale if live else None,
        oldest=summary.oldest,
        newest=summary.newest,
        created_at=job.created_at,
        updated_at=job.updated_at,
    )


def _of_page(log: FeedbackLog, batch: Batch, live: ModelRevision | None) -> Figures:
    """Counted: such a batch has 20,000 rows at most."""
    progress = batches.progress(log, batch)
    made = predictions.c
    query = (
        sa.select(
            made.model_id,
            made.model_revision,
            sa.func.count(),
            sa.func.min(made.created_at),
            sa.func.max(made.created_at),
        )
        .where(made.batch_id == batch.id)
        .group_by(made.model_id, made.model_revision)
    )
    with log.database.connect() as connection:
        groups = [tuple(row) for row in connection.execute(query)]
    fresh = sum(count for *model, count, _, _ in groups if live == ModelRevision(*model))
    last = max((last for *_, last in groups), default=batch.created_at)
    return Figures(
        id=batch.id,
        name=batch.name,
        kind="page",
        source=batch.name,
        state=UNFINISHED if progress.left else "done",
        rows=progress.rows,
        stored=progress.predicted,
        rejects=progress.problems,
        stale=progress.predicted - fresh if live else None,
        oldest=min((first.date() for *_, first, _ in groups), default=None),
        newest=last.date() if groups else None,
        created_at=batch.created_at,
        updated_at=last,
    )
