"""The pages when the model changes during a visit: they say so, and each answer is by one model."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from feedback import FeedbackLog
from model import Model, ModelClosed
from tests.helpers import tiny
from tests.helpers.app_test import click, html, open_page, predict, words
from tests.helpers.entries import newest
from tests.helpers.predictor import FakePredictor
from tests.helpers.service import listening, service_of
from tests.helpers.until import until
from ui import shared

Renew = Callable[[], None]


@pytest.fixture(params=["local", "remote"])
def renew(
    request: pytest.FixtureRequest,
    log: FeedbackLog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Renew]:
    """Gives the model another revision: a folder of this process, or that of a service."""
    st.cache_resource.clear()
    if request.param == "remote":
        served = FakePredictor(revision="7")
        served.load()
        with listening(service_of(served, log)) as url:
            monkeypatch.setenv("TRYOUT_MODEL__URL", url)
            yield lambda: served.renew("8")
    else:
        folder = tiny.bert_classifier(tmp_path / "model")
        monkeypatch.setenv("TRYOUT_MODEL__ID", str(folder))

        def put() -> None:
            tiny.renew(folder)
            shared.loader().reload()
            until(lambda: not shared.loader().is_reloading)

        yield put
    shared.loader().close()
    st.cache_resource.clear()


def test_an_older_prediction_is_not_presented_as_the_models(
    log: FeedbackLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    st.cache_resource.clear()
    folder = tiny.bert_classifier(tmp_path / "model")
    monkeypatch.setenv("TRYOUT_MODEL__ID", str(folder))
    page = predict(open_page(), "a good day")
    old, _ = newest(shared.log())
    assert "The model is now" not in words(page)
    tiny.renew(folder)
    shared.loader().reload()
    until(lambda: not shared.loader().is_reloading)
    now = shared.loading().result().info.revision
    page.run()
    was = old.prediction.model_revision
    assert was in html(page), "the prediction stays open"
    sentence = f"This prediction is by revision {was}. The model is now revision {now}."
    assert sentence in words(page)
    click(page, "Predict")
    new, _ = newest(shared.log())
    assert new.prediction.model_revision == now, "the same text is predicted anew"
    assert sentence not in words(page)
    shared.loader().close()
    st.cache_resource.clear()


def test_a_change_during_the_visit_is_told(log: FeedbackLog, renew: Renew) -> None:
    page = predict(open_page(), "a good day")
    before = shared.loading().result().info.revision
    assert "has changed" not in words(page)
    renew()
    page = predict(page, "a bad day")
    now = shared.loading().result().info.revision
    assert now != before
    sentence = f"it was revision {before}, it is revision {now}."
    assert f"The model has changed during your visit: {sentence}" in words(page)
    assert now in html(page)
    for name in ("batch", "compare"):
        page.switch_page(f"../pages/{name}.py").run()
        assert sentence in words(page)
    assert "has changed" not in words(open_page()), "of another visit"


def test_a_question_that_the_former_model_did_not_take_goes_to_the_next(
    log: FeedbackLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    st.cache_resource.clear()
    folder = tiny.bert_classifier(tmp_path / "model")
    monkeypatch.setenv("TRYOUT_MODEL__ID", str(folder))
    page, submit, refused = open_page(), Model.submit, threading.Event()

    def replaced_meanwhile(model: Model, *args: Any, **kwargs: Any) -> Any:
        if not refused.is_set():
            tiny.renew(folder)
            shared.loader().reload()
            until(lambda: not shared.loader().is_reloading)
        try:
            return submit(model, *args, **kwargs)
        except ModelClosed:
            refused.set()
            raise

    monkeypatch.setattr(Model, "submit", replaced_meanwhile)
    predict(page, "a good day")
    assert refused.is_set()
    assert not page.error
    stored, _ = newest(shared.log())
    assert stored.prediction.model_revision == shared.loading().result().info.revision
    shared.loader().close()
    st.cache_resource.clear()


def test_a_challenger_of_the_former_task_is_not_compared(
    log: FeedbackLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    st.cache_resource.clear()
    folder = str(tiny.bert_classifier(tmp_path / "model"))
    monkeypatch.setenv("TRYOUT_MODEL__ID", folder)
    page = open_page("compare")
    page.text_input(key="challenger-id").set_value(folder)
    click(page, "Load")
    assert "Unload" in [button.label for button in page.button]
    monkeypatch.setenv("TRYOUT_MODEL__ID", str(tiny.bert_tagger(tmp_path / "tagger")))
    shared.loader().reload()
    until(lambda: not shared.loader().is_reloading)
    page.run()
    for part in ("replay", "pair"):
        page.segmented_control(key="part").set_value(part).run()
        assert "does another task now. Load another model." in words(page)
        assert not page.exception
        assert "Predict with both" not in [button.label for button in page.button]
    shared.challenger().close()
    shared.loader().close()
    st.cache_resource.clear()
