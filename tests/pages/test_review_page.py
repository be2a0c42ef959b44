"""The Review page as sessions run it, with the real model and a real log."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from feedback import Entry, FeedbackLog, Rating
from model.prediction import GeneratedText, attribution_from_json
from tests.helpers.app_test import (
    COMMENT,
    CORRECTION,
    buttons,
    click,
    only,
    open_page,
    predict,
    thumbs,
    widget,
    words,
)
from tests.helpers.entries import entry, history, labels, rating
from ui import shared

pytestmark = pytest.mark.parametrize("loaded_once", ["local", "remote"], indirect=True)


@pytest.fixture(autouse=True)
def sure(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue holds no surprises, and tests press faster than any hand."""
    monkeypatch.setenv("TRYOUT_REVIEW__RANDOM_SHARE", "0")
    monkeypatch.setattr("ui.review.session.HELD_KEY_S", 0)


def add(log: FeedbackLog, count: int) -> list[Entry]:
    """Predictions of positive, the least sure first."""
    made = []
    for n in range(count):
        score = 0.5 + n / (2 * count)
        rest = (1 - score) / 2
        scores = labels(("positive", score), ("neutral", rest), ("negative", rest))
        made.append(entry(f"text {n}", output=scores))
    log.add(made, [])
    return made


def text(page: AppTest) -> str:
    """The text that is before the reviewer."""
    cards = [one.proto.body for one in page.get("html") if "<blockquote" in one.proto.body]
    return cards[0].split('dir="auto">')[1].split("</blockquote>")[0] if cards else ""


def shows_output(page: AppTest) -> bool:
    return any('class="card-top"' in one.proto.body for one in page.get("html"))


def said(log: FeedbackLog, of: Entry) -> Rating:
    (one,) = log.ratings_of(of.prediction.id)
    return one


def test_one_after_the_other_rated_skipped_undone(log: FeedbackLog) -> None:
    made = add(log, 5)
    page = open_page("review")
    assert text(page) == "text 0"
    assert shows_output(page)
    click(page, "Right")
    assert (said(log, made[0]).verdict, said(log, made[0]).sampling) == ("up", "margin")
    assert text(page) == "text 1"
    click(page, "negative")
    one = said(log, made[1])
    assert (one.verdict, one.correction, one.blind) == ("down", "negative", False)
    click(page, "Wrong")
    assert (said(log, made[2]).verdict, said(log, made[2]).correction) == ("down", "")
    click(page, "Skip")
    assert text(page) == "text 4"
    click(page, "Undo the last")
    assert text(page) == "text 2"
    assert log.ratings_of(made[2].prediction.id) == []
    click(page, "Right")
    click(page, "Right")
    assert text(page) == ""
    assert "You have seen all there is" in only(page.info).value
    click(page, "Show the 1 skipped")
    assert text(page) == "text 3"


def test_a_button_of_the_last_prediction_does_not_rate_the_next(log: FeedbackLog) -> None:
    """As when a key is pressed twice before the page has changed."""
    made = add(log, 3)
    page = open_page("review")
    pressed = next(b for b in page.button if b.label == "Right")
    pressed.click().run()
    page.run()
    assert log.counts().up == 1
    keys = [b.key for b in page.button if b.label == "Right"]
    assert keys == [f"right-{made[1].prediction.id}"]


def test_a_key_that_is_held_down_rates_once(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, 5)
    page = open_page("review")
    monkeypatch.setattr("ui.review.session.HELD_KEY_S", 30)
    for _ in range(3):
        click(page, "Right")
    assert log.counts().up == 1
    assert text(page) == "text 1"
    assert "1 rated in this visit" in words(page)
    click(page, "Undo the last")  # another key, however soon
    assert (log.counts().up, text(page)) == (0, "text 0")
    click(page, "Right")
    assert log.counts().up == 1


def test_a_key_that_is_held_down_undoes_once(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, 5)
    page = open_page("review")
    for _ in range(3):
        click(page, "Right")
    monkeypatch.setattr("ui.review.session.HELD_KEY_S", 30)
    click(page, "Undo the last")
    click(page, "Undo the last")
    assert log.counts().up == 2


def test_another_key_counts_however_soon(log: FeedbackLog, monkeypatch: pytest.MonkeyPatch) -> None:
    add(log, 5)
    page = open_page("review")
    monkeypatch.setattr("ui.review.session.HELD_KEY_S", 30)
    for key in ("Right", "Wrong", "Right", "negative"):
        click(page, key)
    assert (log.counts().up, log.counts().down) == (2, 2)


def test_a_text_that_was_rated_does_not_come_again_at_once(log: FeedbackLog) -> None:
    made = [entry("the same", output=labels(("a", 0.6), ("b", 0.4))) for _ in range(30)]
    log.add([*made, entry("another", output=labels(("a", 0.9), ("b", 0.1)))], [])
    page = open_page("review")
    assert text(page) == "the same"
    click(page, "Right")
    assert text(page) == "another"
    click(page, "Right")
    assert text(page) == ""


def test_blind_is_said_before_the_output_is_seen(log: FeedbackLog) -> None:
    made = add(log, 4)
    page = open_page("review")
    assert (text(page), shows_output(page)) == ("text 0", True)
    widget(page, "Output").set_value("Blind").run()
    assert (text(page), shows_output(page)) == ("text 1", False)
    assert not [b for b in page.button if b.label in ("Right", "Wrong")]
    click(page, "neutral")
    one = said(log, made[1])
    assert (one.verdict, one.correction, one.blind) == ("down", "neutral", True)
    assert log.ratings_of(made[0].prediction.id) == [], "its output was seen before"
    assert "You said neutral; the model said positive." in words(page)
    click(page, "positive")
    assert (said(log, made[2]).verdict, said(log, made[2]).blind) == ("up", True)

    click(page, "Undo the last")
    assert (text(page), shows_output(page)) == ("text 2", True), "the page has told what it was"
    click(page, "negative")
    assert (said(log, made[2]).correction, said(log, made[2]).blind) == ("negative", False)
    click(page, "Skip")
    assert (text(page), shows_output(page)) == ("text 0", True), "only what was seen is left"
    click(page, "Right")
    assert not said(log, made[0]).blind


def test_a_visit_keeps_how_it_reviews_and_what_it_has_seen(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.visits._cookie", lambda: "0" * 16)
    made = add(log, 3)
    page = open_page("review")
    widget(page, "Output").set_value("Blind").run()
    blind = text(page)
    page.switch_page("../pages/about.py").run()
    page.switch_page("../pages/review.py").run()
    assert (text(page), shows_output(page)) == (blind, False)
    again = open_page("review")  # as after a reload
    assert widget(again, "Output").value == "Blind"
    assert not shows_output(again)
    open_page("feedback")  # whose table has all outputs
    page.run()
    again = open_page("review")
    click(again, "Right")
    (rated,) = [one for one in made if log.ratings_of(one.prediction.id)]
    assert not said(log, rated).blind


def test_a_prediction_that_waited_too_long_may_be_before_another(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, 3)
    ada = open_page("review")
    assert text(ada) == "text 0"
    with monkeypatch.context() as later:
        later.setattr("ui.review.assignments.HELD_S", 0)
        bob = open_page("review")
    assert text(bob) == "text 0"
    ada.run()
    assert text(ada) == "text 1"


def test_a_rating_changed_in_sight_of_the_output_is_not_blind(log: FeedbackLog) -> None:
    _, made = add(log, 2)
    page = open_page("review")
    widget(page, "Output").set_value("Blind").run()
    click(page, "neutral")
    page.switch_page("../pages/try.py")
    page.query_params["p"] = str(made.prediction.id)
    page.run()
    widget(page, COMMENT).set_value("why I think so").run()
    assert said(log, made).blind, "a comment changes no judgement"
    widget(page, CORRECTION).set_value("negative").run()
    assert (said(log, made).correction, said(log, made).blind) == ("negative", False)


def test_several_labels_are_said_blind(log: FeedbackLog) -> None:
    output = labels(("joy", 0.9), ("love", 0.8), ("rage", 0.1), multi_label=True)
    one, two = entry("mixed", output=output), entry("more", output=output)
    log.add([entry("seen", output=output), one, two], [])
    page = open_page("review")
    widget(page, "Output").set_value("Blind").run()
    widget(page, "Which labels apply?").set_value(["rage"]).run()
    click(page, "Save")
    of = {"mixed": one, "more": two}
    first = next(e for e in of.values() if log.ratings_of(e.prediction.id))
    assert (said(log, first).correction, said(log, first).blind) == ('["rage"]', True)
    widget(page, "Which labels apply?").set_value(["love", "joy"]).run()
    click(page, "Save")
    assert log.counts().up == 1


def test_a_text_is_rated_by_the_form_and_left_by_next(log: FeedbackLog) -> None:
    made = [entry(f"g{n}", output=GeneratedText("more", 1, "end")) for n in range(2)]
    log.add(made, [])
    page = open_page("review")
    widget(page, "Output").set_value("Blind").run()
    thumbs(page, 1)
    click(page, "Next")
    (rated,) = [one for one in made if log.ratings_of(one.prediction.id)]
    assert (said(log, rated).sampling, said(log, rated).blind) == ("margin", False)
    click(page, "Next")
    assert [b.label for b in page.button if "skipped" in b.label] == ["Show the 1 skipped"]


def test_a_reload_gives_the_same_prediction_again(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.visits._cookie", lambda: "0" * 16)
    add(log, 3)
    assert text(open_page("review")) == text(open_page("review")) == "text 0"


def test_two_reviewers_get_different_predictions_unless_agreement_is_wanted(
    log: FeedbackLog,
) -> None:
    add(log, 6)
    ada, bob = open_page("review"), open_page("review")
    assert {text(ada), text(bob)} == {"text 0", "text 1"}
    click(ada, "Right")
    assert text(ada) == "text 2"
    click(bob, "Right")
    for page in (ada, bob):
        widget(page, "Predictions").set_value("agreement").run()
    assert (text(ada), text(bob)) == ("text 1", "text 0")
    click(ada, "Right")
    assert "There is nothing that others have rated" in only(ada.info).value
    widget(ada, "Predictions").set_value("disagreement").run()
    assert "Reviewers disagree on nothing" in only(ada.info).value


def test_what_others_dispute_is_looked_at_by_a_third(log: FeedbackLog) -> None:
    made = add(log, 3)
    log.rate(rating(made[1], "Ada"))
    log.rate(rating(made[1], "Bob", "down"))
    page = open_page("review")
    widget(page, "Predictions").set_value("disagreement").run()
    click(page, "Right")
    mine = [one for one in log.ratings_of(made[1].prediction.id) if one.reviewer not in "Ada Bob"]
    assert [one.sampling for one in mine] == ["disagreement"]


def test_a_share_is_drawn_by_chance_and_marked(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_REVIEW__RANDOM_SHARE", "1")
    shared.settings.clear()
    made = add(log, 4)
    page = open_page("review")
    for _ in made:
        click(page, "Right")
    assert {said(log, one).sampling for one in made} == {"random"}


def test_an_empty_log_says_what_to_do(log: FeedbackLog) -> None:
    assert "Predict some texts first" in only(open_page("review").info).value


def test_why_is_stored_with_the_rating_that_has_it_in_sight(log: FeedbackLog) -> None:
    page = predict(open_page(), "I love this wonderful film")
    predict(page, "I hate this dreadful film")
    page.switch_page("../pages/review.py").run()
    click(page, "Why this output")
    (why,) = [one.proto.body for one in page.get("html") if "card why" in one.proto.body]
    assert 'class="for"' in why
    first = text(page)
    click(page, "Right")
    assert not [one for one in page.get("html") if "card why" in one.proto.body]
    click(page, "Right")
    rows = [(e.prediction.input, r) for e, r in history(log, unrated=False) if r]
    by_text = {wording: r.attribution for wording, r in rows}
    other = next(wording for wording in by_text if wording != first)
    assert by_text[other] == ""
    attribution = attribution_from_json(json.loads(by_text[first]))
    assert [first[one.start : one.end] for one in attribution.weights] == first.split()


def test_there_is_no_why_for_what_another_model_said(log: FeedbackLog) -> None:
    add(log, 1)
    assert "Why this output" not in buttons(open_page("review"))
