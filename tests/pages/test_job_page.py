"""The Batch page of a job, and the table of batches: ages, stale rows, a row made anew, drift."""

import csv
import io
import re
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from feedback import FeedbackLog
from feedback.filters import Filter
from feedback.jobs import Job, by_keys, exclusive, history, newest_of, note, start
from feedback.jobs.results import rejects_csv, results_csv
from feedback.jobs.reviewed import not_up_for_review
from model import Prediction, Predictor
from tests.helpers.app_test import buttons, click, html, only, open_page, thumbs, widget, words
from tests.helpers.stored_jobs import fake, stored_job
from ui import shared

ANY = Filter()
WEEK = {"a": "a good day", "b/2": "a bad day", "c": "a day", "d": "a day"}
pytestmark = pytest.mark.usefixtures("fake_model")


@pytest.fixture
def fake_model(fake: None) -> None:
    """The live model is of revision 7, and loaded."""
    shared.loading().result(30)


def look_up(page: AppTest, wanted: str) -> AppTest:
    widget(page, "Key or text").set_value(wanted)
    return click(page, "Look up")


def opened(job: Job) -> AppTest:
    return open_page("batch", b=str(job.batch_id))


def test_the_table_has_jobs_with_their_ages_and_shares(log: FeedbackLog) -> None:
    nine_days_ago = datetime.now(UTC) - timedelta(days=9, hours=1)
    job = stored_job(log, WEEK, name="<b>weekly", rejects=["e"], made_at=nine_days_ago)
    stored_job(log, {"x": "a good day"}, name="fresh", source="b.csv", predictor=fake("7"))
    shown = html(open_page("batch"))
    assert "&lt;b&gt;weekly" in shown
    assert f"?b={job.batch_id}" in shown
    assert shown.index("fresh") < shown.index("weekly"), "newest first"
    for figure in ('"Predicted">4<', '"Rejects">1<', '"Age">9 days<', "100 %", '"Stale">0 %'):
        assert figure in shown


def test_without_batches_there_is_no_table(log: FeedbackLog) -> None:
    page = open_page("batch")
    assert "Batches" not in [each.value for each in page.subheader]
    assert page.file_uploader


def test_many_jobs_are_a_page_at_a_time(log: FeedbackLog) -> None:
    for n in range(12):
        stored_job(log, {"x": "a good day"}, name=f"job {n:02}", source=f"{n}.csv")
    shown = html(open_page("batch"))
    assert re.findall(r"job \d\d", shown) == [f"job {n:02}" for n in range(11, 1, -1)]


def test_a_job_says_how_old_and_how_stale_it_is(log: FeedbackLog) -> None:
    job = stored_job(log, WEEK, rejects=["e"], made_at=datetime(2026, 11, 1, 3, tzinfo=UTC))
    page = opened(job)
    said = words(page)
    assert "Made on 2026-11-01." in said
    assert "The model has changed since:** all of 4 are by another revision." in said
    assert {each.label: each.value for each in page.metric} | {"Age": ""} == {
        "Predictions": "4",
        "Rejects": "1",
        "Age": "",
        "Stale": "100 %",
    }
    assert "state done" in html(page)
    downloads = [each.proto.label for each in page.get("download_button")]
    assert downloads == ["Download results", "Download 1 reject"]
    assert opened_by_name(job).metric[0].value == "4"


def opened_by_name(job: Job) -> AppTest:
    return open_page("batch", b=job.name)


def test_a_row_is_found_rated_and_made_anew(log: FeedbackLog) -> None:
    job = stored_job(log, WEEK)
    page = look_up(opened(job), "b/2")
    assert "a bad day" in html(page)
    assert "Key b/2, row 2." in words(page)
    assert "by revision 1 of tests/fake." in words(page)
    assert "The model has changed since.** It is now revision 7." in words(page)
    former = by_keys(log, job, ["b/2"])["b/2"].entry
    thumbs(page, 0, former)
    assert only(log.ratings_of(former.prediction.id)).verdict == "down"

    before = newest_of(log, job, ["b/2"])["b/2"]
    click(page, "Predict anew")
    assert newest_of(log, job, ["b/2"])["b/2"].content == before.content, "a run leaves it alone"
    newest = by_keys(log, job, ["b/2"])["b/2"]
    assert (newest.version, newest.entry.prediction.model_revision) == (2, "7")
    assert "Predict anew" not in buttons(page)
    assert "Predicted anew and stored." in [each.value for each in page.success]
    assert "Before: negative 80 %, by revision 1," in words(page)
    assert page.metric[3].value == "75 %"
    thumbs(page, 1, newest.entry)
    assert only(log.ratings_of(newest.entry.prediction.id)).verdict == "up"
    assert len(history(log, job, "b/2")) == 2

    click(page, "Back to the batch")
    assert widget(page, "Key or text").value == ""
    assert len(page.feedback) == 4, "the rows to rate are there again, each key once"


def test_a_text_that_a_run_stores_meanwhile_is_not_replaced_by_the_former_one(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = stored_job(log, WEEK)
    page = look_up(opened(job), "a")

    def meanwhile(future: Future[Prediction], message: str) -> Prediction:
        stored_job(log, {"a": "a bad day"}, predictor=fake("7"))
        return future.result(30)

    monkeypatch.setattr("ui.batch.lookup.wait_for", meanwhile)
    click(page, "Predict anew")
    newest = by_keys(log, job, ["a"])["a"]
    assert (newest.version, newest.entry.prediction.input) == (2, "a bad day")
    assert "a bad day" in html(page)
    assert not page.success


def test_a_row_is_found_by_its_text(log: FeedbackLog) -> None:
    job = stored_job(log, WEEK)
    page = look_up(opened(job), "a day")
    assert "2 rows have this text:" in words(page)
    assert "Key c, row 3." in words(page)
    widget(page, "Row").set_value(1).run()
    assert "Key d, row 4." in words(page)


def test_a_row_by_the_model_as_it_is_now_has_no_button(log: FeedbackLog) -> None:
    page = look_up(opened(stored_job(log, WEEK, predictor=fake("7"))), " a ")
    assert "Key a, row 1." in words(page)
    assert "Predict anew" not in buttons(page)
    assert "changed since" not in words(page)


def test_a_row_that_is_not_there_is_a_sentence(log: FeedbackLog) -> None:
    page = look_up(opened(stored_job(log, WEEK)), "*none*")
    assert "No row of this batch has the key or the text *none*." in words(page)
    assert len(page.feedback) == 4


def test_the_drift_from_the_batch_before_is_said(log: FeedbackLog) -> None:
    good = {str(n): f"a good day {n}" for n in range(60)}
    bad = {str(n): f"a bad day {n}" for n in range(60)}
    first = stored_job(log, good, name="w47", source="r-47.csv")
    second = stored_job(log, bad, name="w48", source="r-48.csv")
    same = stored_job(log, bad, name="w49", source="r-49.csv")
    title = "What moved since the batch before?"
    assert title not in [each.value for each in opened(first).subheader]
    page = opened(second)
    assert title in [each.value for each in page.subheader]
    assert "most of all negative, 0.0 % before and 100.0 % now." in html(page)
    assert "Nothing moved much." in html(opened(same))


def test_a_run_that_goes_on_and_one_that_broke_off_say_so(log: FeedbackLog) -> None:
    job = start(log, stored_job(log, WEEK))
    with exclusive(log, job):
        page = opened(job)
        assert "state running" in html(page)
        assert "4 of 4 stored" in str(page.get("progress")[0].proto.text)
    page = opened(job)
    assert "state alarming" in html(page)
    assert "4 rows are stored. Run the same command again: it goes on where it was." in words(page)
    note(log, job, state="failed", note="The *source* cannot be read.")
    assert "The *source* cannot be read. 4 rows are stored." in words(opened(job))


def test_the_files_of_a_job_are_safe_for_spreadsheets(log: FeedbackLog) -> None:
    job = stored_job(log, {"=a": "=1+1 good", "b": "bad, \ud800 news"}, rejects=["c"])
    text = b"".join(results_csv(log, job)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["key"], row["text"], row["label"]) for row in rows] == [
        ("'=a", "'=1+1 good", "positive"),
        ("b", "bad, \x10d800 news", "negative"),
    ]
    rejects = b"".join(rejects_csv(log, job)).decode("utf-8-sig").splitlines()
    assert rejects[1] == "3,c,There is no text in this row.,"


def test_a_job_without_predictions_says_so(log: FeedbackLog) -> None:
    page = opened(stored_job(log, {}, rejects=["a"]))
    assert "No prediction is stored yet." in words(page)
    assert not page.feedback


def test_the_model_is_not_waited_for(log: FeedbackLog, monkeypatch: pytest.MonkeyPatch) -> None:
    job = stored_job(log, WEEK)
    monkeypatch.setattr("ui.shared.loaded", lambda: None)
    page = look_up(opened(job), "a")
    assert "this page cannot say which predictions are stale" in words(page)
    assert page.metric[3].value == "–"
    assert "a good day" in html(page)


def test_the_table_does_not_wait_for_the_model(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_job(log, WEEK, name="weekly")

    def away() -> Predictor:
        st.stop()

    monkeypatch.setattr("ui.parts.waiting.wait_for_model", away)
    page = open_page("batch")
    assert "weekly" in html(page)
    assert not page.file_uploader


def test_a_log_that_is_away_is_a_sentence(log: FeedbackLog) -> None:
    page = opened(stored_job(log, WEEK))
    with log.database.connect(write=True) as connection:
        connection.exec_driver_sql("ALTER TABLE job_predictions RENAME TO away")
    look_up(page, "a")
    assert "The feedback log cannot be reached" in words(page)


def test_predictions_of_jobs_are_reviewed_and_counted(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedback.jobs.storing.COPIED_ROWS", 10)
    job = stored_job(log, {str(n): f"a good day {n}" for n in range(300)})
    only_there = not_up_for_review(log)
    assert 200 < only_there < 300
    feedback = open_page("feedback")
    assert feedback.metric[0].value == "300"
    assert f"{only_there} predictions of jobs are counted and exported" in words(feedback)
    assert "a good day" in html(open_page("review"))
    page = opened(job)
    assert f"{300 - only_there} of 300 are up for review" in words(page)

    listed = {entry.prediction.input for entry in log.entries(ANY, limit=300)}
    hidden = next(str(n) for n in range(300) if f"a good day {n}" not in listed)
    thumbs(look_up(page, hidden), 1)
    assert len(log.entries(ANY, limit=300)) == len(listed) + 1, "a rating puts it up for review"
    assert not_up_for_review(log) == only_there - 1
    assert log.counts().predictions == 300
