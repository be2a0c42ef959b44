"""The insights on the Feedback page: what it says of a real log, and what is behind its charts."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from feedback import FeedbackLog, LogUnavailable, insights
from feedback.filters import Filter
from feedback.records import ModelRevision
from model.prediction import GeneratedText
from tests.helpers.app_test import only, open_page, thumbs, words
from tests.helpers.entries import entry, entry_drawn, labels, newest, rating
from ui.insights import selection

ODD = "**b** :smile: <b>tag</b> \ud800\0 " + "long " * 200
QUESTIONS = (
    "How often is it right?",
    "What is mistaken for what?",
    "Do its scores mean what they say?",
    "Over time",
    "Do reviewers agree?",
    "Confident mistakes",
)


def add(log: FeedbackLog, count: int, *, up: int, label: str = "positive", **said: Any) -> None:
    """Rated predictions with a score of 0.95, the first `up` of them up."""
    changes = {"model_revision": said.pop("revision", "abc")}
    reviewers = said.pop("reviewers", ("Ada",))
    entries = [
        entry_drawn(
            f"text {n}",
            below=said.get("sampling") == "random",
            output=labels((label, 0.95), ("neutral", 0.05)),
            **changes,
        )
        for n in range(count)
    ]
    ratings = [
        rating(one, who, "up", **said)
        if n < up
        else rating(one, who, "down", correction="neutral", **said)
        for n, one in enumerate(entries)
        for who in reviewers
    ]
    log.add(entries, ratings)


def ask(question: str = "") -> AppTest:
    page = open_page("feedback")
    if question:
        page.pills(key="question").set_value(question).run()
    assert not page.exception
    assert not page.error
    return page


def rows(page: AppTest) -> int:
    *_, predictions = page.dataframe  # below those of a question
    return len(predictions.value)


def test_without_ratings_there_is_a_hint_and_no_question(log: FeedbackLog) -> None:
    log.record(entry())
    page = ask()
    assert "No ratings yet" in words(page)
    assert not page.pills


@pytest.mark.parametrize("question", QUESTIONS)
def test_few_ratings_are_too_few_to_tell(log: FeedbackLog, question: str) -> None:
    add(log, 7, up=4, reviewers=("Ada", "Bob"), sampling="random", label=ODD)
    assert "Too few to tell" in words(ask(question))


@pytest.mark.parametrize("question", QUESTIONS)
def test_many_ratings_have_an_interval(log: FeedbackLog, question: str) -> None:
    add(log, 40, up=30, reviewers=("Ada", "Bob", "Cleo"), sampling="random", label=ODD)
    add(log, 40, up=20, reviewers=("Ada", "Bob", "Cleo"), blind=True, revision="def")
    page = ask(question)
    assert "Too few to tell" not in words(page)
    assert "95 %" in words(page)
    assert bool(page.get("vega_lite_chart")) == (question != "Confident mistakes")


@pytest.mark.parametrize("question", QUESTIONS)
def test_text_that_was_generated_has_no_label_and_no_score(log: FeedbackLog, question: str) -> None:
    one = entry(task="text-generation", output=GeneratedText("once upon a time", 4, "end"))
    log.add([one], [rating(one, verdict="down", correction="never")])
    ask(question)


def test_only_randomly_drawn_predictions_say_how_often_it_is_right(log: FeedbackLog) -> None:
    add(log, 50, up=50, sampling="margin")
    assert "Too few to tell: 0 predictions, and 20 or more are needed" in words(ask())
    add(log, 40, up=30, sampling="random")
    page = ask()
    assert "Accuracy in general: 75 % (95 % interval 60 to 86 %)" in words(page)
    assert "from 40 predictions that chance chose" in words(page)
    log.record(entry_drawn("new", below=True))
    page = ask()
    assert "from 40 predictions that chance chose" in words(page)
    assert "1 of those that it chose has no rating yet" in words(page)
    page.button(key="Show those that chance chose").click().run()
    assert page.button(key="clear-selection").label == "chosen by chance"
    assert "40 rows" in words(page)
    page.button(key="clear-selection").click().run()
    assert "91 rows" in words(page)


def test_one_model_is_told_from_another(log: FeedbackLog) -> None:
    add(log, 30, up=30, revision="old")
    add(log, 30, up=15, revision="new")
    page = ask("Confident mistakes")
    assert "of 60 ratings, 25 %" in words(page)
    page.selectbox(key="revision").select_index(1).run()
    newest = next(iter(insights.revisions(log)))
    assert page.selectbox(key="revision").value == newest
    assert ("of 30 ratings, 50 %" in words(page)) == (newest.model_revision == "new")


def test_a_rating_made_on_another_page_changes_them(log: FeedbackLog) -> None:
    add(log, 39, up=39)
    page = ask("Over time")
    assert "39 ratings: 100 % (" in words(page)
    stored, _ = newest(log)
    page.query_params["p"] = str(stored.prediction.id)
    page.switch_page("../pages/try.py").run()
    thumbs(page, 0)
    page.switch_page("../pages/feedback.py").run()
    page.pills(key="question").set_value("Over time").run()
    assert "40 ratings: 98 % (" in words(page)


def test_what_is_behind_a_chart_narrows_the_table(log: FeedbackLog) -> None:
    add(log, 12, up=9, label="positive")
    add(log, 5, up=1, label="negative", blind=True)
    page = ask("What is mistaken for what?")
    for chosen, expected, shown in (
        (Filter(label="positive", truth="neutral"), 3, "predicted positive, right is neutral"),
        (Filter(tenth=9, verdict="up"), 10, "rated up, score 0.9 to 1.0"),
        (Filter(blind=True), 5, "rated before the output was shown"),
        (Filter(revision=ModelRevision("model/bundled", "abc")), 17, "model/bundled @ abc"),
    ):
        page.session_state["FeedbackState"].selected = chosen
        page.run()
        assert rows(page) == expected
        assert (
            page.button(key="clear-selection").label.replace("\\", "").replace("\u2060", "")
            == shown
        )
        asked = {control.key for control in (*page.selectbox, *page.segmented_control)}
        assert ("label" in asked, "verdict" in asked) == (not chosen.label, not chosen.verdict)
    page.pills(key="question").set_value("Over time").run()
    assert rows(page) == 17, "another question begins with all predictions"


def test_the_filter_of_a_mark_is_found_by_what_it_shows() -> None:
    filters = {("a", "b"): Filter(label="x", truth="y"), ("a", "a"): Filter(label="x", truth="x")}
    fields = ("output", "truth")
    marks = [{"truth": "b", "output": "a", "other": 1}]
    assert selection.filter_of(marks, fields, filters) == Filter(label="x", truth="y")
    assert selection.filter_of([], fields, filters) is None
    assert selection.filter_of([{"output": "gone", "truth": "a"}], fields, filters) is None
    assert selection.filter_of([{"tenth": 9.0}], ("tenth",), {(9,): Filter(tenth=9)}) == Filter(
        tenth=9
    )


@pytest.mark.parametrize("method", ["revisions", "by_output", "by_truth"])
def test_a_log_that_fails_half_way_is_one_sentence(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    add(log, 3, up=2)

    def fail(*args: object, **kwargs: object) -> None:
        raise LogUnavailable("The feedback log is gone.")

    monkeypatch.setattr(insights, method, fail)
    assert "is gone" in only(open_page("feedback").error).value
