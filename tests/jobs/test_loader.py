"""One attempt at a time, and another when the owner has mended what was wrong."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jobs import loader as loader_module
from jobs.loader import ModelLoader
from model import Model, ModelError, Predictor
from tests.helpers import tiny
from tests.helpers.until import until
from ui import shared


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.bert_classifier(tmp_path / "model")


def result(loader: ModelLoader) -> Predictor:
    return loader.current().result(60)


def test_however_many_wait_it_is_loaded_once(folder: Path) -> None:
    made = []

    def make() -> Model:
        made.append(1)
        time.sleep(0.2)
        return Model(str(folder), device="cpu")

    loader, got = ModelLoader(make), []
    threads = [threading.Thread(target=lambda: got.append(result(loader))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({id(model) for model in got}) == 1
    loader.close()


def test_a_failure_is_told_to_all_and_mended_without_a_restart(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = folder.rename(folder.with_name("hidden"))
    loader = ModelLoader(lambda: Model(str(folder), device="cpu"))
    first = loader.current()
    with pytest.raises(ModelError, match="no such folder"):
        first.result(60)
    assert loader.current() is first, "not again at once"
    hidden.rename(folder)
    monkeypatch.setattr(loader_module, "RETRY_S", 0.0)
    until(lambda: loader.current().exception() is None)
    assert result(loader).info.task == "text-classification"
    loader.close()


def test_the_reason_of_a_failure_stays_while_another_attempt_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loader_module, "RETRY_S", 0.0)
    attempts: list[threading.Event] = []

    def make() -> Any:
        attempts.append(threading.Event())
        number, goes_on = len(attempts), attempts[-1]
        goes_on.wait(60)
        raise ModelError(f"Attempt {number} failed.")

    loader = ModelLoader(make)
    assert not loader.current().done()
    until(lambda: attempts)
    attempts[0].set()
    with pytest.raises(ModelError, match="Attempt 1"):
        loader.current().result(60)
    until(lambda: loader.current() and len(attempts) == 2)
    assert str(loader.current().exception(0)) == "Attempt 1 failed."
    loader.retry()
    asked_for = loader.current()
    assert not asked_for.done(), "whoever asks for another attempt waits for it"
    assert len(attempts) == 2, "for that which runs"
    attempts[1].set()
    with pytest.raises(ModelError, match="Attempt 2"):
        asked_for.result(60)
    assert str(loader.current().exception(0)) == "Attempt 2 failed."
    until(lambda: loader.current() and len(attempts) == 3)
    attempts[2].set()


def test_retry_does_not_wait_and_does_nothing_to_a_model_that_is_there(folder: Path) -> None:
    hidden = folder.rename(folder.with_name("hidden"))
    loader = ModelLoader(lambda: Model(str(folder), device="cpu"))
    with pytest.raises(ModelError):
        result(loader)
    hidden.rename(folder)
    loader.retry()
    model = result(loader)
    loader.retry()
    assert result(loader) is model
    loader.close()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModelError("The model is wrong."), "The model is wrong."),
        (KeyError("odd"), r"The model failed: KeyError\('odd'\)."),
    ],
)
def test_whatever_goes_wrong_is_a_sentence(error: Exception, message: str) -> None:
    def make() -> Any:
        raise error

    with pytest.raises(ModelError, match=message):
        result(ModelLoader(make))


def test_broken_settings_are_told_by_who_waits_for_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__DEVICE", "abacus")
    for cached in (shared.settings, shared.loader):
        cached.clear()
    with pytest.raises(ModelError, match="abacus"):
        shared.loading().result(60)
    for cached in (shared.settings, shared.loader):
        cached.clear()


def test_a_model_that_fails_at_its_first_prediction_is_not_ready(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.tasks.text_classification.softmax", lambda logits: 1 / 0)
    with pytest.raises(ModelError, match="fails at its first prediction: division by zero"):
        result(ModelLoader(lambda: Model(str(folder), device="cpu")))


def test_closing_before_anything_was_loaded_does_nothing() -> None:
    ModelLoader(lambda: Model("nowhere")).close()
