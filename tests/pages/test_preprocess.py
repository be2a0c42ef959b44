"""The pages of a model whose owner changes each text: predicted, shown, corrected, taken away."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from feedback import FeedbackLog, batch_results, batches
from model.prediction import Prediction
from tests.helpers import tiny
from tests.helpers.app_test import (
    click,
    html,
    only,
    open_page,
    plain,
    predict,
    thumbs,
    widget,
    words,
)
from tests.helpers.entries import newest
from tests.helpers.preprocess import write
from tests.helpers.until import until
from ui import shared

TWEET = "@ada I love this <b>film</b>, see https://t.co/x"
CLEANED = "@user I love this <b>film</b>, see http"
SHOWN = "<b>The model read</b>: <bdi>@user I love this &lt;b&gt;film&lt;/b&gt;, see http</bdi></p>"


@pytest.fixture(autouse=True)
def cleaning(
    database: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Each test loads a model of its own, with the function `clean` unless it names another."""
    write(tmp_path_factory.mktemp("repository"), monkeypatch)
    monkeypatch.setenv("TRYOUT_MODEL__PREPROCESS", "cleaning:clean")
    monkeypatch.setenv("TRYOUT_MODEL__DEVICE", "cpu")
    st.cache_resource.clear()
    yield
    shared.loader().close()
    st.cache_resource.clear()


def predicted() -> Prediction:
    return newest(shared.log())[0].prediction


def test_the_card_says_what_the_model_read_and_the_link_too(log: FeedbackLog) -> None:
    page = predict(open_page(), TWEET)
    prediction = predicted()
    assert (prediction.input, prediction.read) == (TWEET, CLEANED)
    assert "+" in prediction.model_revision
    assert SHOWN in html(page)
    again = open_page(p=str(prediction.id))
    assert again.text_area(key="text").value == TWEET
    assert SHOWN in html(again)
    assert SHOWN in html(open_page("review"))
    assert "The model read" not in html(predict(page, "Nothing to change."))


def test_words_are_weighed_as_typed(log: FeedbackLog) -> None:
    page = click(predict(open_page(), TWEET), "Why this output")
    until(lambda: 'aria-label="Why this output"' in html(page.run()))
    explained = html(page).split('aria-label="Why this output"')[1]
    assert "https://t.co/x" in explained
    assert "@user" not in explained


def test_a_batch_shows_it_in_its_rows_and_its_file(log: FeedbackLog) -> None:
    page = open_page("batch")
    content = f'id,text\n1,"{TWEET}"\n2,No names.\n'
    widget(page, "File").upload("tweets.csv", content.encode()).run()
    click(page, "Predict 2 texts")
    until(lambda: shared.batches().current(_batch(log).id) is None)
    page.run()
    assert html(page).count("The model read") == 1
    assert SHOWN in html(page)
    text = b"".join(batch_results.results_csv(log, _batch(log))).decode("utf-8-sig")
    assert [row["read"] for row in csv.DictReader(io.StringIO(text))] == [f"'{CLEANED}", ""]


def _batch(log: FeedbackLog) -> batches.Batch:
    with log.database.connect() as connection:
        session = connection.exec_driver_sql("SELECT session_id FROM batches").scalars().first()
    return batches.of_session(log, str(session), limit=1)[0]


def test_spans_in_place_are_marked_in_what_was_typed(
    log: FeedbackLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__ID", str(tiny.bert_tagger(tmp_path / "model")))
    monkeypatch.setenv("TRYOUT_MODEL__PREPROCESS", "cleaning:lower")
    page = predict(open_page(), "Ada Lovelace was born in London.")
    shown = html(page)
    assert predicted().spans_of == "input"
    assert 'class="card-input"' not in shown
    unmarked = re.sub(r"<b class=.span-label.*?</b>|<[^>]*>", "", shown)
    assert "Ada Lovelace was born in London." in unmarked
    assert "ada lovelace was born in london." in shown.split('class="card-read"')[1]
    thumbs(page, 0)
    assert "words of the text, a label" in words(page)


def test_spans_elsewhere_are_said_to_be_of_the_text_that_was_read(
    log: FeedbackLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__ID", str(tiny.bert_tagger(tmp_path / "model")))
    page = predict(open_page(), "@adalovelace was born in London, https://x.org")
    prediction = predicted()
    assert prediction.spans_of == "read"
    shown = html(page)
    assert "@adalovelace was born in London, https://x.org</blockquote>" in shown
    marked = shown.split("The model read</b> the text below, and marks it:")[1]
    assert "https" not in marked.split("card-foot")[0]
    thumbs(page, 0)
    assert "words of the text that the model read, a label" in words(page)
    rated = open_page("feedback")
    assert not rated.error


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("fails_on_digits", "failed on it with ZeroDivisionError"),
        ("sleeps", "is not called any more"),
    ],
)
def test_a_bad_function_is_a_sentence_on_the_page(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch, function: str, sentence: str
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__PREPROCESS", f"cleaning:{function}")
    page = predict(open_page(), "a slow text, 7")
    assert sentence in plain(only(page.info).value)
    assert log.counts().predictions == 0


def test_a_function_that_is_not_there_is_a_sentence(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__PREPROCESS", "cleaning:claen")
    page = open_page()
    until(lambda: "has no function claen" in words(page.run()))
