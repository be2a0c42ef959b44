"""The pages with a model behind another API than our own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit as st

from feedback import FeedbackLog
from model import GeneratedText, Model
from tests.helpers import tiny
from tests.helpers.app_test import CORRECTION, click, html, open_page, predict, thumbs, widget
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.entries import newest
from tests.helpers.service import listening, service_of
from ui import shared


@contextmanager
def behind(
    model: Model, path: str, api: str, task: str, tmp_path: Path, patch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The app's model is that of a service, by another API."""
    theirs = FeedbackLog(new_sqlite_log(tmp_path / "theirs.db"))
    with listening(service_of(model, theirs)) as url:
        patch.setenv("TRYOUT_MODEL__URL", url + path)
        patch.setenv("TRYOUT_MODEL__API", api)
        patch.setenv("TRYOUT_MODEL__TASK", task)
        st.cache_resource.clear()
        yield
        shared.loader().close()
        st.cache_resource.clear()
    theirs.close()


def test_a_classifier_of_huggingfaces_api(
    model: Model, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with behind(model, "/api/predict", "huggingface", "text-classification", tmp_path, monkeypatch):
        page = thumbs(predict(open_page(), "I love this phone."), 0)
        assert 'aria-label="positive"' in html(page)
        assert widget(page, CORRECTION).options == ["negative", "neutral"]
        widget(page, CORRECTION).set_value("neutral").run()
        stored, rating = newest(shared.log())
        assert stored.prediction.model_revision.startswith("unknown-")
        assert rating is not None
        assert rating.correction == "neutral"
        assert "Why this output" in html(click(page, "Why this output"))
        about = html(open_page("about"))
        assert "negative, neutral, positive" in about
        assert "not told by its server" in about
        assert "0.0 million" not in about


def test_spans_can_get_labels_that_the_server_did_not_name(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagger = Model(str(tiny.bert_tagger(tmp_path / "tagger")), device="cpu")
    tagger.load()
    with behind(
        tagger, "/api/predict", "huggingface", "token-classification", tmp_path, monkeypatch
    ):
        page = thumbs(predict(open_page(), "Ada Lovelace was born in London."), 0)
        (editor,) = page.dataframe
        columns = json.loads(editor.proto.columns)
        assert columns["label"]["type_config"]["type"] == "text"
    tagger.close()


def test_a_generator_of_openais_api(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Model(str(tiny.llama(tmp_path / "writer", chat=True, max_tokens=256)), device="cpu")
    writer.load()
    with behind(writer, "", "openai", "text-generation", tmp_path, monkeypatch):
        page = open_page()
        page.number_input(key="param-max_new_tokens").set_value(9)
        predict(page, "Once upon a time")
        output = newest(shared.log())[0].prediction.output
        assert output == writer.predict(["Once upon a time"], {"max_new_tokens": 9})[0].output
        assert isinstance(output, GeneratedText)
        assert "as many as were asked for" in html(page)
    writer.close()
