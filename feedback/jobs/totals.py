"""Totals of jobs: the newest predictions of each key by origin, label, margin, length and day.

They change in the transaction that stores (see feedback.jobs.storing), so that the age of a job and
its distributions cost the same for any number of predictions.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from math import log2
from typing import Any

import sqlalchemy as sa

from feedback.jobs.drift import CHARS_BINS_PER_DOUBLING, MARGIN_BINS, Distribution
from feedback.jobs.records import Job, Summary
from feedback.log import FeedbackLog
from feedback.tables import job_origins, job_totals, jobs
from feedback.totals import INSERT, key_of

Change = tuple[int, str, str]  # origin, measure and bin
LABEL, MARGIN, CHARS, DAY = "label", "margin", "chars", "day"


def bins_of(
    *, origin: int, label: str, margin: float | None, chars: int, created_at: datetime
) -> Iterator[Change]:
    """The bins that a prediction is counted in."""
    yield origin, LABEL, label
    yield origin, DAY, created_at.astimezone(UTC).date().isoformat()
    yield origin, CHARS, str(int(CHARS_BINS_PER_DOUBLING * log2(max(chars, 1))))
    if margin is not None:
        yield origin, MARGIN, str(max(0, min(int(margin * MARGIN_BINS), MARGIN_BINS - 1)))


def add_totals(connection: sa.Connection, job: int, changes: Counter[Change]) -> None:
    """Adds to the totals of a job, whose row the transaction has locked."""
    rows = [
        {
            "id": key_of(job, origin, measure, name),
            "job": job,
            "origin": origin,
            "measure": measure,
            "bin": name,
            "rows": change,
        }
        for (origin, measure, name), change in changes.items()
        if change
    ]
    if rows:
        statement = INSERT[connection.dialect.name](job_totals)
        more = {"rows": job_totals.c.rows + statement.excluded.rows}
        added = statement.on_conflict_do_update(index_elements=["id"], set_=more)
        connection.execute(added, rows)


def summary(log: FeedbackLog, job: Job, *, model_id: str, revision: str) -> Summary:
    """The numbers of a job; a prediction of another revision than this of the model is stale."""
    is_current = sa.and_(
        job_origins.c.model_id == model_id, job_origins.c.model_revision == revision
    )
    by_origin = (
        sa.select(is_current, sa.func.sum(job_totals.c.rows))
        .join(job_origins, job_origins.c.number == job_totals.c.origin)
        .where(*_of(job, LABEL))
        .group_by(is_current)
    )
    days = sa.select(sa.func.min(job_totals.c.bin), sa.func.max(job_totals.c.bin))
    with log.database.connect() as connection:
        numbers = {bool(current): int(rows) for current, rows in connection.execute(by_origin)}
        oldest, newest = connection.execute(days.where(*_of(job, DAY))).one()
        rejects = sa.select(jobs.c.rejects).where(jobs.c.number == job.number)
        return Summary(
            stored=sum(numbers.values()),
            stale=numbers.get(False, 0),
            rejects=connection.execute(rejects).scalar_one(),
            oldest=_day(oldest),
            newest=_day(newest),
        )


def has_former_versions(log: FeedbackLog, job: Job) -> bool:
    """True if a key of the job has more than one version of its prediction."""
    newest = sa.select(sa.func.sum(job_totals.c.rows)).where(*_of(job, LABEL)).scalar_subquery()
    query = sa.select(jobs.c.stored > sa.func.coalesce(newest, 0))
    with log.database.connect() as connection:
        return bool(connection.execute(query.where(jobs.c.number == job.number)).scalar_one())


def distribution(log: FeedbackLog, job: Job) -> Distribution:
    """The newest predictions of each key by label, by bin of margin and by bin of length."""
    with log.database.connect() as connection:
        labels, margins, chars = (
            _bins(connection, job, measure) for measure in (LABEL, MARGIN, CHARS)
        )
    return Distribution(
        labels,
        {int(name): rows for name, rows in margins.items()},
        {int(name): rows for name, rows in chars.items()},
    )


def _bins(connection: sa.Connection, job: Job, measure: str) -> dict[str, int]:
    query = sa.select(job_totals.c.bin, sa.func.sum(job_totals.c.rows)).where(*_of(job, measure))
    return {name: int(rows) for name, rows in connection.execute(query.group_by(job_totals.c.bin))}


def _of(job: Job, measure: str) -> tuple[sa.ColumnElement[Any], ...]:
    return job_totals.c.job == job.number, job_totals.c.measure == measure, job_totals.c.rows > 0


def _day(name: str | None) -> date | None:
    return None if name is None else date.fromisoformat(name)
