"""The Feedback page as sessions run it, with a real log; test_insights_page.py has its charts."""

from pathlib import Path

import pytest

from feedback import FeedbackLog, LogUnavailable
from tests.helpers.app_test import only, open_page
from tests.helpers.entries import entry, labels, rating
from ui import shared


def test_an_empty_log_says_what_to_do(log: FeedbackLog) -> None:
    page = open_page("feedback")
    assert "Nothing here yet" in only(page.info).value
    assert not page.metric


def test_a_label_that_cannot_be_sent_breaks_no_page(log: FeedbackLog) -> None:
    log.add([entry(output=labels(("\ud800", 0.5), ("b", 0.25)))], [])
    page = open_page("feedback")
    assert page.selectbox(key="label").options == ["All", "\ufffd"]


def test_a_filter_goes_back_to_the_first_page(log: FeedbackLog) -> None:
    log.add([entry(f"text {n}") for n in range(90)], [])
    page = open_page("feedback")
    page.session_state["page"] = 4
    page.run()
    assert only(page.dataframe).value["input"][0] == "text 29"
    page.text_input(key="words").set_value("text 1").run()
    assert only(page.dataframe).value["input"][0] == "text 19"


@pytest.mark.parametrize("method", ["labels", "count", "page"])
def test_a_log_that_fails_half_way_is_one_sentence(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    one = entry()
    log.add([one], [rating(one)])

    def fail(*args: object, **kwargs: object) -> None:
        raise LogUnavailable("The feedback log is gone.")

    monkeypatch.setattr(FeedbackLog, method, fail)
    assert "is gone" in only(open_page("feedback").error).value


def test_the_feedback_page_counts_and_lists(log: FeedbackLog) -> None:
    entries = [entry(f"text {n} \ud800") for n in range(45)]
    log.add(
        entries,
        [rating(one, verdict="up" if n % 3 else "down") for n, one in enumerate(entries[:30])],
    )
    page = open_page("feedback")
    assert [metric.value for metric in page.metric] == ["45", "30", "1", "67 %"]
    assert "between 49 and 81 %" in " ".join(caption.value for caption in page.caption)
    assert len(only(page.dataframe).value) == 20
    assert only(page.dataframe).value["input"][0] == "text 44 \ufffd"
    page.segmented_control(key="verdict").set_value("down").run()
    assert len(only(page.dataframe).value) == 10
    assert set(only(page.dataframe).value["verdict"]) == {"down"}
    page.text_input(key="words").set_value("nowhere").run()
    assert not page.dataframe
    assert "No prediction matches." in [caption.value for caption in page.caption]


def test_feedback_that_will_be_lost_is_announced(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not open_page("feedback").warning
    monkeypatch.setenv("TRYOUT_FEEDBACK__DISK_LASTS", "false")
    shared.settings.clear()
    page = open_page("feedback")
    assert "This feedback will be lost" in only(page.warning).value
    assert "DATABASE_URL" in only(page.warning).value


def test_a_log_that_is_away_is_one_sentence(database: Path) -> None:
    database.mkdir()
    page = open_page("feedback")
    assert "feedback log cannot be reached" in only(page.error).value


def test_a_long_log_is_paged_and_its_export_is_a_link(log: FeedbackLog) -> None:
    log.add([entry(f"{i}") for i in range(50_001)], [])
    page = open_page("feedback")
    assert "More than 10,000 rows; these are the newest. Filters find the rest." in [
        caption.value for caption in page.caption
    ]
    (pages,) = page.get("pagination")
    assert pages.proto.num_pages == 500
    links = [link.proto.url for link in page.get("link_button")]
    assert links == ["api/export/ratings.csv", "api/export/predictions.csv"]
