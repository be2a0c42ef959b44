"""The Try page as sessions run it, with the real model and a real log."""

import sqlite3
from pathlib import Path

import pytest
import streamlit as st

from feedback import FeedbackLog, LogUnavailable
from feedback.filters import Filter
from settings import SettingsError
from tests.helpers.app_test import (
    COMMENT,
    CORRECTION,
    click,
    html,
    only,
    open_page,
    plain,
    predict,
    thumbs,
    widget,
)
from tests.helpers.entries import entry, history, labels, newest, rating
from ui import shared
from ui.parts.text import as_markdown

pytestmark = pytest.mark.parametrize("loaded_once", ["local", "remote"], indirect=True)


def test_predict_rate_correct_comment_retract(log: FeedbackLog) -> None:
    page = predict(open_page(), "I love this film.")
    stored, nothing = newest(log)
    assert nothing is None
    assert stored.prediction.input == "I love this film."
    assert stored.source == "page"
    assert 'aria-label="positive"' in html(page)
    assert page.query_params["p"] == str(stored.prediction.id)

    thumbs(page, 1)
    (said,) = log.ratings_of(stored.prediction.id)
    assert (said.verdict, said.correction) == ("up", "")
    assert said.reviewer.startswith("anonymous-")
    assert not page.pills, "thumbs up asks nothing more"

    thumbs(page, 0)
    assert widget(page, CORRECTION).options == ["negative", "neutral"]
    widget(page, CORRECTION).set_value("neutral").run()
    widget(page, COMMENT).set_value("too eager").run()
    (said,) = log.ratings_of(stored.prediction.id)
    assert (said.verdict, said.correction, said.comment) == ("down", "neutral", "too eager")

    click(page, "Retract")
    assert log.ratings_of(stored.prediction.id) == []
    assert only(page.feedback).value is None
    assert len(history(log, unrated=False)) == 5, "each step is in the history"


def test_a_reserved_name_is_refused_and_the_name_before_stays(log: FeedbackLog) -> None:
    page = predict(open_page(), "fine")
    widget(page, "Your name (optional)").set_value("Ada").run()
    widget(page, "Your name (optional)").set_value(" anonymous-1").run()
    assert plain(only(page.error).value) == (
        "Not stored, as no name may begin with “anonymous-”; your ratings have the name Ada."
    )
    thumbs(page, 1)
    assert [row.reviewer for _, row in history(log, unrated=False) if row] == ["Ada"]
    widget(page, "Your name (optional)").set_value("Bob").run()
    assert not page.error


def test_taking_the_thumb_back_retracts(log: FeedbackLog) -> None:
    page = thumbs(predict(open_page(), "fine"), 1)
    thumbs(page, None)
    assert log.counts().rated == 0


def test_a_second_click_and_reruns_store_once(log: FeedbackLog) -> None:
    page = predict(open_page(), "the same text")
    predict(page, "the same text")
    page.run().run()
    assert log.counts().predictions == 1
    thumbs(page, 1)
    page.run().run()
    assert len(history(log, unrated=False)) == 1


def test_a_reload_opens_the_prediction_with_its_ratings(log: FeedbackLog) -> None:
    stored = entry("what a colleague typed")
    log.record(stored)
    log.rate(rating(stored, "Ada", "down", correction="neutral", comment="*no* <b>way</b>"))
    page = open_page(p=str(stored.prediction.id))
    assert page.text_area(key="text").value == "what a colleague typed"
    assert "what a colleague typed" in html(page)
    assert only(page.text).value == "Ada rated it down, said neutral, “*no* <b>way</b>”"


def test_another_name_is_another_reviewer(log: FeedbackLog) -> None:
    page = predict(open_page(), "I love it")
    page.text_input(key="name").set_value("Ann").run()
    thumbs(page, 1)
    page.text_input(key="name").set_value("Bob").run()
    thumbs(page, 0)
    page.text_input(key="name").set_value("").run()
    entry, _ = newest(log)
    said = {one.reviewer: one.verdict for one in log.ratings_of(entry.prediction.id)}
    assert said == {"Ann": "up", "Bob": "down"}


def test_a_rating_given_before_a_name_moves_to_the_name(log: FeedbackLog) -> None:
    page = thumbs(predict(open_page(), "who am I"), 1)
    page.text_input(key="name").set_value("  Grace   Hopper ").run()
    stored, _ = newest(log)
    (said,) = log.ratings_of(stored.prediction.id)
    assert (said.reviewer, said.verdict) == ("Grace Hopper", "up")
    assert log.counts().reviewers == 1


def test_ratings_of_two_anonymous_visitors_are_two(log: FeedbackLog) -> None:
    thumbs(predict(open_page(), "shared"), 1)
    stored, _ = newest(log)
    thumbs(open_page(p=str(stored.prediction.id)), 0)
    assert (log.counts().up, log.counts().down) == (1, 1)


def test_one_browser_is_one_reviewer_after_a_reload(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.visits._cookie", lambda: "0123456789abcdef")
    page = thumbs(predict(open_page(), "mine"), 1)
    page.text_input(key="name").set_value("Ada").run()
    stored, _ = newest(log)
    again = open_page(p=str(stored.prediction.id))
    assert again.text_input(key="name").value == "Ada"
    assert only(again.feedback).value == 1
    thumbs(again, 0)
    assert (log.counts().up, log.counts().down) == (0, 1)


@pytest.mark.parametrize("wrong", ["00000000-0000-7000-8000-000000000000", "x", "<b>"])
def test_an_unknown_prediction_is_told(log: FeedbackLog, wrong: str) -> None:
    page = open_page(p=wrong)
    assert "There is no prediction" in only(page.warning).value
    assert "<b>" not in only(page.warning).value
    assert "p" not in page.query_params


def test_an_empty_link_is_no_link(log: FeedbackLog) -> None:
    page = open_page(p="")
    assert not page.warning
    predict(page, "fine")
    assert page.query_params["p"] == str(newest(log)[0].prediction.id)


def test_an_example_is_predicted_by_one_click(log: FeedbackLog) -> None:
    page = open_page()
    page.button(key="example-0").click().run()
    stored, _ = newest(log)
    assert stored.prediction.input == shared.loading().result().info.examples[0].text
    assert page.text_area(key="text").value == stored.prediction.input


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "no text to predict"),
        (" \n ", "no text to predict"),
        ("x" * 10_001, r"10\,001 characters and the limit is 10\,000"),
    ],
)
def test_a_text_that_cannot_be_predicted_gets_a_hint(
    log: FeedbackLog, text: str, hint: str
) -> None:
    page = predict(open_page(), text)
    assert hint in only(page.info).value
    assert log.counts().predictions == 0


@pytest.mark.parametrize(
    "text",
    [
        "a\0b",
        "<script>alert(1)</script>",
        "**b** :smile:",
        "=cmd()",
        "😀 مرحبا",
        "l1\r\nl2",
        "good " * 900,
    ],
)
def test_ugly_text_is_stored_as_typed(log: FeedbackLog, text: str) -> None:
    page = predict(open_page(), text)
    stored, _ = newest(log)
    assert stored.prediction.input == text
    assert "<script>" not in html(page)
    assert ("its end was not read" in html(page)) == (len(text) > 1000)


@pytest.mark.usefixtures("short_lock_wait")
def test_a_locked_log_keeps_the_rating_until_it_is_sent_again(database: Path) -> None:
    page = open_page()
    shared.log()
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    thumbs(predict(page, "under lock"), 1)
    assert "under lock" in html(page)
    assert "Not stored yet" in only(page.warning).value
    assert "database is locked" in only(page.warning).value
    assert only(page.feedback).value == 1
    assert "p" not in page.query_params
    other.execute("ROLLBACK")
    other.close()
    page.button(key="send-again").click().run()
    assert not page.warning
    assert (shared.log().counts().predictions, shared.log().counts().up) == (1, 1)
    assert "p" in page.query_params


def test_a_log_that_cannot_be_opened_does_not_stop_predictions(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("TRYOUT_FEEDBACK__DATABASE", str(blocked / "log.db"))
    shared.settings.clear()
    page = predict(open_page(), "still there")
    assert "still there" in html(page)
    assert "Not stored yet" in only(page.warning).value
    blocked.unlink()
    page.button(key="send-again").click().run()
    assert not page.warning
    assert shared.log().counts().predictions == 1


@pytest.mark.usefixtures("short_lock_wait")
def test_a_locked_log_does_not_bring_the_last_prediction_back(database: Path) -> None:
    page = predict(open_page(), "first, stored")
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    thumbs(predict(page, "second, waiting"), 1)
    assert "second, waiting" in html(page)
    assert "first, stored" not in html(page)
    assert "Not stored yet" in only(page.warning).value
    other.execute("ROLLBACK")
    other.close()
    page.button(key="send-again").click().run()
    stored, _ = newest(shared.log())
    assert page.query_params["p"] == str(stored.prediction.id)
    assert shared.log().counts().up == 1


def test_a_log_that_goes_away_leaves_the_card(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = predict(open_page(), "first")

    def gone() -> FeedbackLog:
        raise LogUnavailable("The feedback log is gone.")

    monkeypatch.setattr(shared, "log", gone)
    thumbs(predict(page, "second"), 1)
    assert "second" in html(page)
    assert only(page.feedback).value == 1
    assert "is gone" in only(page.warning).value
    monkeypatch.undo()


def test_an_old_link_does_not_hide_a_new_prediction(log: FeedbackLog) -> None:
    stored = entry("from a colleague")
    log.record(stored)
    page = predict(open_page(p=str(stored.prediction.id)), "my own")
    assert "my own" in html(page)
    page.query_params["p"] = str(stored.prediction.id)
    page.run()
    assert "from a colleague" in html(page), "the browser's back button"


def test_a_text_that_is_refused_leaves_the_last_card(log: FeedbackLog) -> None:
    page = predict(predict(open_page(), "fine"), " ")
    assert "no text to predict" in only(page.info).value
    assert "fine" in html(page)
    assert page.feedback


def test_a_prediction_that_was_overtaken_by_a_click_is_made(log: FeedbackLog) -> None:
    page = predict(open_page(), "first")
    # What a run leaves that was stopped while it waited.
    page.session_state["TryState"].asked = ("second", {})
    thumbs(page, 1)
    assert "second" in html(page)
    texts = {one.prediction.input: said for one, said in log.page(Filter(), offset=0, limit=9)}
    assert texts["first"] is not None
    assert texts["second"] is None, "the thumb was for what was shown"


def test_nobody_can_call_themselves_anonymous(log: FeedbackLog) -> None:
    page = thumbs(predict(open_page(), "who"), 1)
    page.text_input(key="name").set_value("anonymous-123456").run()
    _, said = newest(log)
    assert said is not None
    assert said.reviewer != "anonymous-123456"


def test_a_comment_and_a_thumb_in_one_run_are_both_kept(log: FeedbackLog) -> None:
    page = thumbs(predict(open_page(), "both"), 0)
    widget(page, COMMENT).set_value("typed, and then the thumb")
    thumbs(page, 1)
    _, said = newest(log)
    assert said is not None
    assert (said.verdict, said.comment) == ("up", "typed, and then the thumb")


def test_what_an_overtaken_callback_left_is_taken_by_the_next_run(log: FeedbackLog) -> None:
    page = thumbs(predict(open_page(), "overtaken"), 0)
    comment_key = str(widget(page, COMMENT).key)
    # As after a callback that was stopped: the value is there, and nothing says that it is new.
    page.session_state[comment_key] = "typed"
    page.session_state["name"] = "Ada"
    thumbs(page, 1)
    _, said = newest(log)
    assert said is not None
    assert (said.reviewer, said.verdict, said.comment) == ("Ada", "up", "typed")
    assert log.counts().reviewers == 1


def test_a_name_and_a_thumb_in_one_run_are_one_rating(log: FeedbackLog) -> None:
    page = thumbs(predict(open_page(), "both at once"), 1)
    page.text_input(key="name").set_value("Ada")
    thumbs(page, 0)
    stored, _ = newest(log)
    (said,) = log.ratings_of(stored.prediction.id)
    assert (said.reviewer, said.verdict) == ("Ada", "down")
    assert only(page.feedback).value == 0


def test_coming_back_from_another_page_finds_the_prediction(log: FeedbackLog) -> None:
    page = predict(open_page(), "come back")
    page.switch_page("../pages/about.py").run()
    page.switch_page("../pages/try.py").run()
    assert "come back" in html(page)
    assert page.text_area(key="text").value == "come back"
    assert log.counts().predictions == 1


def test_a_rated_prediction_can_be_read_and_rated_without_a_model(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__ID", "./nowhere")
    st.cache_resource.clear()
    stored = entry("from before")
    shared.log().record(stored)
    page = thumbs(open_page(p=str(stored.prediction.id)), 0)
    assert "from before" in html(page)
    assert shared.log().counts().down == 1
    st.cache_resource.clear()


def test_what_goes_wrong_in_the_rating_form_is_one_sentence(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a fragment, and Streamlit shows what a fragment raises in its own words."""
    stored = entry(output=labels(("joy", 0.6), ("rage", 0.4)))
    log.add([stored], [rating(stored, "Bob")])

    def fail(*given: object) -> None:
        raise SettingsError("The setting x is 'y': no.")

    monkeypatch.setattr("ui.parts.rating_form._form", fail)
    page = open_page(p=str(stored.prediction.id))
    assert [error.value for error in page.error] == [as_markdown("The setting x is 'y': no.")]
