"""A batch by name or id, be it a job or of a page: its figures, its rows up for review."""

from datetime import UTC, datetime

import pytest

from feedback import FeedbackLog, any_batch
from feedback.batches import BatchRow, store
from feedback.jobs import exclusive, start
from feedback.jobs import store as store_rows
from feedback.jobs.jobs import count, newest
from feedback.jobs.reviewed import labels_up_for_review, not_up_for_review, up_for_review
from feedback.jobs.totals import has_former_versions
from feedback.records import ModelRevision
from tests.helpers.batches import batch_of, entry_in
from tests.helpers.stored_jobs import fake, rows_of, stored_job
from tests.helpers.until import until

LIVE = ModelRevision("tests/fake", "2")
WEEK = {"a": "a good day", "b": "a bad day", "c": "a good night"}


def test_a_job_is_found_by_name_and_by_id(log: FeedbackLog) -> None:
    job = stored_job(log, WEEK, name="of \0 last week")
    assert any_batch.find(log, job.name) == job
    assert any_batch.find(log, str(job.batch_id)) == job
    assert any_batch.find(log, "none") is None
    assert any_batch.find(log, "01a20bb4-23ac-7736-a46c-0f4d75f5c086") is None


def test_the_figures_of_a_job_count_the_newest_of_each_key(log: FeedbackLog) -> None:
    made_at = datetime(2026, 11, 1, 23, 59, tzinfo=UTC)
    job = stored_job(log, WEEK, rejects=["d", "e"], made_at=made_at)
    store_rows(log, job, rows_of({"b": "a bad day"}, fake("2")))
    figures = any_batch.figures(log, job, LIVE)
    assert (figures.rows, figures.stored, figures.rejects, figures.stale) == (5, 3, 2, 2)
    assert figures.stale_share == pytest.approx(2 / 3)
    assert figures.oldest == made_at.date()
    assert any_batch.figures(log, job, None).stale_share is None


def test_a_run_without_its_process_was_interrupted(log: FeedbackLog) -> None:
    job = start(log, stored_job(log, WEEK))
    with exclusive(log, job):
        assert any_batch.state_of(log, job) == "running"
    # PostgreSQL notices a moment later that the connection of the lock is closed.
    until(lambda: any_batch.state_of(log, job) == "interrupted")


def test_the_figures_of_a_pages_batch_are_of_its_predictions(log: FeedbackLog) -> None:
    batch = batch_of(log, [BatchRow(1, ("1", "a")), BatchRow(2, ("2", "b")), BatchRow(3, "x", "?")])
    assert any_batch.figures(log, batch, LIVE).oldest is None
    made = entry_in(batch, "a", 0.9)
    store(log, batch, [(1, made)])
    found = any_batch.find(log, str(batch.id))
    assert found is not None
    prediction = made.prediction
    live = ModelRevision(prediction.model_id, prediction.model_revision)
    for model, stale in ((live, 0), (LIVE, 1), (None, None)):
        figures = any_batch.figures(log, found, model)
        assert (figures.stored, figures.rejects, figures.stale) == (1, 1, stale)
        assert figures.oldest == figures.newest == prediction.created_at.date()
    keys = any_batch.by_keys(log, found, ["1", "2", "x", "1e3", "²", "9" * 30])
    assert {key: each.entry for key, each in keys.items()} == {"1": made}


def test_jobs_are_listed_in_pages(log: FeedbackLog) -> None:
    for name in "abc":
        stored_job(log, WEEK, name=name, source=f"{name}.csv")
    assert count(log) == 3
    assert [job.name for job in newest(log, limit=2)] == ["c", "b"]
    assert [job.name for job in newest(log, limit=2, offset=2)] == ["a"]


def test_rows_up_for_review_are_the_newest_of_each_key(log: FeedbackLog) -> None:
    job = stored_job(log, WEEK)
    store_rows(log, job, rows_of({"b": "a bad day"}, fake("2")))
    stored_job(log, {"a": "a bad day"}, name="other", source="other.csv")
    assert labels_up_for_review(log, job) == [("positive", 2), ("negative", 1)]
    assert not_up_for_review(log) == 0
    for order in ("unsure", "sure", "file"):
        rows = up_for_review(log, job, order=order, label=None, offset=0, limit=9)
        assert sorted(entry.prediction.input for _, entry in rows) == sorted(WEEK.values())
    rows = up_for_review(log, job, order="file", label="positive", offset=1, limit=1)
    assert [(number, entry.prediction.input) for number, entry in rows] == [(3, "a good night")]


def test_rows_up_for_review_are_a_page_of_an_order_and_a_label(log: FeedbackLog) -> None:
    texts = {
        f"{number}": f"a {'bad' if number % 2 else 'good'} day {number}" for number in range(6)
    }
    job = stored_job(log, texts)
    assert labels_up_for_review(log, job) == [("negative", 3), ("positive", 3)]
    whole = up_for_review(log, job, order="unsure", label="negative", offset=0, limit=9)
    margins = [entry.prediction.margin for _, entry in whole]
    assert margins == sorted(margins, key=lambda margin: (margin is None, margin))
    assert {texts[f"{number - 1}"] for number, _ in whole} == {
        entry.prediction.input for _, entry in whole
    }
    pages = [
        up_for_review(log, job, order="unsure", label="negative", offset=offset, limit=2)
        for offset in (0, 2)
    ]
    assert [*pages[0], *pages[1]] == whole
    store_rows(log, job, rows_of({"0": "a bad day"}, fake("2")))
    assert has_former_versions(log, job)
    more = up_for_review(log, job, order="unsure", label="negative", offset=0, limit=9)
    assert {entry.prediction.input for _, entry in more} == {
        "a bad day",
        *(entry.prediction.input for _, entry in whole),
    }


def test_a_rating_of_a_row_that_has_no_copy_counts_it_once(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedback.jobs.storing.COPIED_ROWS", 0)
    job = stored_job(log, WEEK)
    assert (not_up_for_review(log), log.counts().predictions) == (3, 3)
    row = any_batch.by_keys(log, job, ["a"])["a"]
    log.record(row.entry)  # as a page does before it rates
    log.record(row.entry)
    assert (not_up_for_review(log), log.counts().predictions) == (2, 3)
