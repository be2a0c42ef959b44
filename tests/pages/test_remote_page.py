"""The Try page while the service that has its model is away, and after it is back."""

import pytest
import streamlit as st

from feedback import FeedbackLog
from model import Model
from tests.helpers.app_test import click, html, only, open_page, plain, predict, thumbs
from tests.helpers.entries import newest
from tests.helpers.server import free_port
from tests.helpers.service import listening, service_of
from ui import shared


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.remote.connection.BACKOFF_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr("model.remote.connection.TRIES_AGAIN_S", 0.0)


def test_the_page_says_a_sentence_and_goes_on(
    log: FeedbackLog, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("TRYOUT_MODEL__URL", f"http://127.0.0.1:{port}")
    st.cache_resource.clear()
    page = open_page()
    assert "cannot be used. The model at http" in plain(only(page.error).value)
    with listening(service_of(model, log), port=port):
        page = predict(click(page, "Try again"), "I love this phone.")
        assert "positive" in html(page)
    predict(page, "I hate this phone.")
    assert "cannot be reached" in plain(only(page.error).value)
    assert "positive" in html(page), "the former prediction stays open"
    thumbs(page, 1)
    _, rating = newest(shared.log())
    assert rating is not None, "and can be rated"
    with listening(service_of(model, log), port=port):
        assert "negative" in html(click(page, "Predict"))
        assert not page.error
    st.cache_resource.clear()
