"""SQLite uses the partial indexes, which it does only where a query has an index's condition."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from feedback import FeedbackLog, batches, export_csv, jobs
from feedback.filters import Filter
from feedback.review_queue import to_review
from feedback.tables import metadata
from model.prediction import new_id
from tests.helpers.batches import batch_of
from tests.helpers.jobs import job_of, job_rows

Ask = Callable[[FeedbackLog], object]
QUESTIONS: dict[str, tuple[Ask, set[str]]] = {
    "least margin first": (
        lambda log: to_review(log, "Ada", "margin", random_share=0.2, limit=5),
        {"ix_predictions_unrated_margin", "ix_predictions_rated_margin"},
    ),
    "in random order": (
        lambda log: to_review(log, "Ada", "random", random_share=0.2, limit=5),
        {"ix_predictions_unrated_draw", "ix_predictions_draw_rated_down"},
    ),
    "second opinions": (
        lambda log: to_review(log, "Ada", "agreement", random_share=0.2, limit=5),
        {"ix_predictions_rated_margin"},
    ),
    "where reviewers disagree": (
        lambda log: to_review(log, "Ada", "disagreement", random_share=0.2, limit=5),
        {"ix_predictions_disputed"},
    ),
    "disputed rows": (
        lambda log: log.page(Filter(rated=True, disputed=True), offset=0, limit=5),
        {"ix_predictions_disputed"},
    ),
    "unrated rows": (
        lambda log: log.page(Filter(verdict="unrated"), offset=0, limit=5),
        {"ix_predictions_unrated"},
    ),
    "rows rated up": (
        lambda log: log.page(Filter(verdict="up"), offset=0, limit=5),
        {"ix_ratings_verdict_prediction_id_id"},
    ),
    "predictions that follow another": (
        lambda log: log.entries(Filter(), before=new_id(), limit=5),
        {"sqlite_autoindex_predictions_1"},
    ),
    "predictions rated down": (
        lambda log: log.entries(Filter(verdict="down"), before=new_id(), limit=5),
        {"ix_ratings_verdict_prediction_id_id"},
    ),
    "confident mistakes": (
        lambda log: log.mistakes(limit=5),
        {"ix_predictions_mistaken", "ix_ratings_verdict_prediction_id_id"},
    ),
    "labels of a batch": (
        lambda log: batches.labels_of(log, batch_of(log, [])),
        {"ix_predictions_batch"},
    ),
    "a prediction of a job by its id": (
        lambda log: log.find(new_id()),
        {"ix_job_predictions_prediction_id", "sqlite_autoindex_predictions_1"},
    ),
    "predictions of jobs to export": (
        lambda log: list(export_csv(_with_a_job(log), unrated=True)),
        {"ix_job_predictions_prediction_id", "sqlite_autoindex_predictions_1"},
    ),
    "keys of a job": (
        lambda log: jobs.by_keys(log, job_of(log), ["a", "b"]),
        {"sqlite_autoindex_job_predictions_1"},
    ),
    "the newest of keys": (
        lambda log: jobs.newest_of(log, job_of(log), ["a", "b"]),
        {"sqlite_autoindex_job_predictions_1"},
    ),
    "rows of a job that are stored again": (
        lambda log: jobs.store(_with_a_job(log), job_of(log), job_rows(range(9))),
        {"sqlite_autoindex_job_predictions_1"},
    ),
    "versions of a key": (
        lambda log: jobs.history(log, job_of(log), "a"),
        {"sqlite_autoindex_job_predictions_1"},
    ),
    "a text of a job": (
        lambda log: jobs.by_text(log, job_of(log), "a text", limit=5),
        {"ix_job_predictions_content"},
    ),
    "a job in the order of its source": (
        lambda log: list(jobs.exported(_with_a_job(log), job_of(log))),
        {"ix_job_predictions_place"},
    ),
    "the totals of a job": (
        lambda log: jobs.summary(log, job_of(log), model_id="m", revision="r"),
        {"ix_job_totals_job_measure"},
    ),
}


def _with_a_job(log: FeedbackLog) -> FeedbackLog:
    jobs.store(log, job_of(log), job_rows(range(9), model_revision="older"))
    return log


def plans(log: FeedbackLog, ask: Ask) -> str:
    """The plans of all that is selected or changed in jobs, as SQLite explains them."""
    steps: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE job_predictions")):
            plan = connection.connection.cursor().execute(
                f"EXPLAIN QUERY PLAN {statement}", parameters
            )
            steps.extend(step for *_, step in plan)

    sa.event.listen(sa.Engine, "before_cursor_execute", explain)
    try:
        ask(log)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", explain)
    return "\n".join(steps)


@pytest.mark.parametrize(("ask", "indexes"), QUESTIONS.values(), ids=QUESTIONS)
def test_a_query_uses_its_index(sqlite_log: FeedbackLog, ask: Ask, indexes: set[str]) -> None:
    plan = plans(sqlite_log, ask)
    assert all(f"INDEX {name}" in plan for name in indexes), plan
    for table in ("predictions", "job_predictions"):
        assert f"SCAN {table}\n" not in f"{plan}\n"


def test_the_indexes_of_the_database_have_the_conditions_of_the_code(
    sqlite_log: FeedbackLog,
) -> None:
    declared = {
        index.name: str(sa.schema.CreateIndex(index).compile(dialect=sa.dialects.sqlite.dialect()))
        for table in metadata.tables.values()
        for index in table.indexes
    }
    query = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    with sqlite_log.database.connect() as connection:
        indexes = {row.name: row.sql for row in connection.execute(query)}
    assert indexes == declared
