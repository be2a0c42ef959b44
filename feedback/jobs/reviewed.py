"""The predictions of a job that are up for review: its copies in the table `predictions`.

All predictions of a small job are there, of a large one a sample and the least sure (see
feedback.jobs.storing).
"""

from typing import Any

import sqlalchemy as sa

from feedback.batches import Order
from feedback.jobs.records import Job
from feedback.jobs.totals import has_former_versions
from feedback.log import FeedbackLog
from feedback.records import Entry, entry_from
from feedback.tables import NEWEST_OF_KEY, job_predictions, jobs, predictions

_newest = predictions.join(
    job_predictions,
    sa.and_(job_predictions.c.prediction_id == predictions.c.id, NEWEST_OF_KEY),
)


def labels_up_for_review(log: FeedbackLog, job: Job) -> list[tuple[str, int]]:
    """The labels of those predictions with their numbers, the most frequent first."""
    count = sa.func.count()
    query = (
        sa.select(predictions.c.label, count)
        .select_from(_copies(log, job))
        .where(predictions.c.batch_id == job.batch_id)
        .group_by(predictions.c.label)
        .order_by(count.desc(), predictions.c.label)
    )
    with log.database.connect() as connection:
        return [(label, number) for label, number in connection.execute(query)]


def up_for_review(
    log: FeedbackLog, job: Job, *, order: Order, label: str | None, offset: int, limit: int
) -> list[tuple[int, Entry]]:
    """Predictions with the numbers of their rows, from 1; of one label, or with None of all.

    Predictions without a margin come last in both orders by margin.
    """
    margin, place = predictions.c.margin, job_predictions.c.place
    by: dict[Order, tuple[sa.ColumnElement[Any], ...]] = {
        "unsure": (margin.asc().nulls_last(), predictions.c.id),
        "sure": (margin.desc().nulls_last(), predictions.c.id),
        "file": (place,),
    }
    ids = (
        sa.select(predictions.c.id)
        .select_from(_newest if order == "file" else _copies(log, job))
        .where(predictions.c.batch_id == job.batch_id)
        .order_by(*by[order])
        .offset(offset)
        .limit(limit)
    )
    if label is not None:
        ids = ids.where(predictions.c.label == label)
    query = sa.select(place.label("place"), predictions).select_from(_newest).order_by(*by[order])
    with log.database.connect() as connection:
        few = list(connection.execute(ids).scalars())
        rows = connection.execute(query.where(predictions.c.id.in_(few))).mappings().all()
    return [(row["place"] + 1, entry_from(dict(row))) for row in rows]


def _copies(log: FeedbackLog, job: Job) -> sa.FromClause:
    """The copies of predictions, of which those of former versions are left out.

    If the job has none, that needs no join, which takes a second at 10 million predictions.
    """
    return _newest if has_former_versions(log, job) else predictions


def not_up_for_review(log: FeedbackLog) -> int:
    """The number of predictions of all jobs that only the Batch page finds."""
    with log.database.connect() as connection:
        return int(connection.execute(sa.select(sa.func.sum(jobs.c.uncopied))).scalar_one() or 0)
