"""The Batch page as a session runs it, with the real model and a real log."""

import csv
import io
import re

import pytest
from streamlit.testing.v1 import AppTest

from feedback import FeedbackLog, batch_results, batches
from feedback.batches import Batch
from feedback.jobs import by_keys
from tests.helpers.app_test import (
    CORRECTION,
    buttons,
    click,
    html,
    open_page,
    thumbs,
    widget,
    words,
)
from tests.helpers.predictor import FakePredictor
from tests.helpers.stored_jobs import stored_job
from tests.helpers.until import until
from ui import shared

pytestmark = pytest.mark.parametrize("loaded_once", ["local", "remote"], indirect=True)

HEADER = "The first row names the columns"
CSV = 'id,review,stars\n1,I love this film,5\n2,,1\n3,I hate it,1\n3,I hate it,1\n\n,,\n4,"open,2\n'


def upload(page: AppTest, content: str = CSV, name: str = "reviews.csv") -> AppTest:
    widget(page, "File").upload(name, content.encode()).run()
    assert not page.exception
    return page


def finished(page: AppTest) -> Batch:
    """The batch that is open, once it is over; the page shows it then."""
    batch = batches.of_session(shared.log(), _session(shared.log()), limit=1)[0]
    until(lambda: shared.batches().current(batch.id) is None)
    page.run()
    assert not page.exception
    return batch


def _session(log: FeedbackLog) -> str:
    with log.database.connect() as connection:
        return str(connection.exec_driver_sql("SELECT session_id FROM batches").scalars().first())


def test_a_file_is_read_shown_predicted_rated_and_taken_away(log: FeedbackLog) -> None:
    page = upload(open_page("batch"))
    said = words(page)
    assert "CSV, UTF-8, separated by commas, 5 rows." in said
    assert "2 empty rows are left out." in said
    assert "2 rows cannot be predicted" in said
    assert "the first is row 3: There is no text in this row." in said
    assert widget(page, "Text column").value == 1
    assert log.counts().predictions == 0, "nothing is stored before it is wanted"

    click(page, "Predict 3 texts")
    batch = finished(page)
    assert page.query_params["b"] == str(batch.id)
    assert "3 of 5 rows are predicted. 2 could not be" in words(page)
    assert log.counts().predictions == 3
    assert len(page.feedback) == 3

    ((_, first),) = batches.results(log, batch, order="unsure", label=None, offset=0, limit=1)
    thumbs(page, 0, first)
    widget(page, CORRECTION).set_value("neutral").run()
    (said_so,) = log.ratings_of(first.prediction.id)
    assert (said_so.verdict, said_so.correction, said_so.sampling) == ("down", "neutral", "")

    text = b"".join(batch_results.results_csv(log, batch)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["id"] for row in rows] == ["1", "2", "3", "3"]
    assert [row["predicted_label"] for row in rows] == ["positive", "", "negative", "negative"]
    assert [problem.number for problem in batches.problems(log, batch)] == [3, 8]


def test_a_batch_is_found_by_its_address_and_by_who_comes_back(log: FeedbackLog) -> None:
    page = click(upload(open_page("batch")), "Predict 3 texts")
    batch = finished(page)
    other = open_page("batch", b=str(batch.id))
    assert "reviews.csv" in words(other)
    assert len(other.feedback) == 3
    page.switch_page("../pages/about.py").run()
    page.switch_page("../pages/batch.py").run()
    assert len(page.feedback) == 3
    click(page, "New batch")
    assert not page.feedback
    assert page.file_uploader
    (address,) = re.findall(r'href="/batch\?b=([^"]+)"', html(page))
    assert len(open_page("batch", b=address).feedback) == 3


@pytest.mark.parametrize("wanted", ["nonsense", "01a20bb4-23ac-7736-a46c-0f4d75f5c086"])
def test_an_address_of_no_batch_says_so(log: FeedbackLog, wanted: str) -> None:
    page = open_page("batch", b=wanted)
    assert f"There is no batch {wanted}" in words(page)
    assert page.file_uploader


def test_a_wrong_guess_of_a_header_is_put_right(log: FeedbackLog) -> None:
    page = upload(open_page("batch"), "I love it,a\nI hate it,b\nIt is,c\n")
    assert "2 rows." in words(page)
    widget(page, HEADER).set_value(False).run()
    assert "3 rows." in words(page)
    widget(page, HEADER).set_value(True).run()
    assert "2 rows." in words(page)
    widget(page, HEADER).set_value(False).run()
    click(page, "Predict 3 texts")
    batch = finished(page)
    assert batch.columns == ("column 1", "column 2")
    assert batches.progress(log, batch).predicted == 3


def test_a_header_that_is_one_row_too_many_can_be_taken_back(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_LIMITS__MAX_BATCH_ROWS", "2")
    shared.settings.clear()
    page = upload(open_page("batch"), "id,text\n1,I love it\n2,I hate it\n")
    widget(page, HEADER).set_value(False).run()
    assert "This has 3 rows; at most 2 are read." in words(page)
    assert not [label for label in buttons(page) if label.startswith("Predict")]
    widget(page, HEADER).set_value(True).run()
    assert "Predict 2 texts" in buttons(page)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        ('{\n "a": 1,\n "b": 2\n}\n', "a.json", "the first is row 1: is not JSON"),
        ("id,text\n1,\n2, \n", "a.csv", "the first is row 2: There is no text in this row."),
        ("id,text\n", "a.csv", ""),
    ],
)
def test_where_no_row_is_usable_the_reasons_can_be_had(
    log: FeedbackLog, content: str, name: str, reason: str
) -> None:
    page = upload(open_page("batch"), content, name)
    assert "There is no text to predict." in words(page)
    assert reason in words(page)
    assert not [label for label in buttons(page) if label.startswith("Predict")]
    downloads = [one.proto.label for one in page.get("download_button")]
    assert downloads == (["Download the rows with the reasons"] if reason else [])


def test_another_way_in_begins_empty(log: FeedbackLog) -> None:
    page = upload(open_page("batch"))
    widget(page, "Input").set_value("Paste").run()
    widget(page, "Input").set_value("Upload a file").run()
    assert "rows." not in words(page)
    assert not [label for label in buttons(page) if label.startswith("Predict")]
    upload(page)
    assert "reviews.csv: CSV, UTF-8" in words(page).replace("**", "")


def test_pasted_lines_are_a_batch(log: FeedbackLog) -> None:
    page = open_page("batch")
    widget(page, "Input").set_value("Paste").run()
    page.text_area(key="batch-text-1").set_value("I love it\n\n<b>I hate it</b>").run()
    assert "text, 2 rows." in words(page)
    click(page, "Predict 2 texts")
    batch = finished(page)
    found = batches.results(log, batch, order="file", label=None, offset=0, limit=9)
    assert [entry.prediction.input for _, entry in found] == ["I love it", "<b>I hate it</b>"]
    rows = "\n".join(element.proto.body for element in page.get("html"))
    assert "&lt;b&gt;I hate it" in rows
    assert "<b>I hate" not in rows


def test_a_batch_that_was_stopped_goes_on(log: FeedbackLog) -> None:
    page = upload(
        open_page("batch"), "text\n" + "\n".join(f"number {n} it is" for n in range(1000))
    )
    click(page, "Predict 1,000 texts")
    click(page, "Stop")
    batch = finished(page)
    assert batches.progress(log, batch).left > 0
    assert "Stopped: " in words(page)
    click(page, "Go on")
    finished(page)
    assert batches.progress(log, batch).predicted == 1000
    assert "Stopped" not in words(page)


def test_what_cannot_be_read_is_said_in_a_sentence(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_LIMITS__MAX_BATCH_ROWS", "2")
    shared.settings.clear()
    page = upload(open_page("batch"))
    assert "This has 5 rows; at most 2 are read." in words(page)
    upload(page, "%PDF-1.4 \0\0\0", "report.csv")
    assert "PDF" in words(page)
    assert not [b for b in page.button if b.label.startswith("Predict")]


def test_a_stale_row_of_a_job_is_made_anew_by_the_model_wherever_it_is(log: FeedbackLog) -> None:
    model = shared.loading().result(60)
    former = FakePredictor(model.info.id, revision="of last week")
    former.load()
    job = stored_job(log, {"7": "I hate this phone."}, predictor=former)
    page = open_page("batch", b=job.name)
    widget(page, "Key or text").set_value("7")
    click(page, "Look up")
    assert "by revision of last week of" in words(page)
    click(page, "Predict anew")
    newest = by_keys(log, job, ["7"])["7"].entry.prediction
    assert (newest.label, newest.model_revision) == ("negative", model.info.revision)
    assert "Before: neutral 80 %, by revision of last week," in words(page)
    assert "All are by the model as it is now." in words(page)
