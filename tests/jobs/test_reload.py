"""Another model in the place of the live one: loaded beside it, or after it where room is short."""

import logging
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from errors import TryoutError
from jobs.challenger import Challenger
from jobs.loader import LOADING, ModelLoader, reason_of
from model import Model, ModelClosed, ModelError, Predictor
from tests.helpers import tiny
from tests.helpers.predictor import FakePredictor
from tests.helpers.preprocess import write
from tests.helpers.until import until

LONG = {"max_new_tokens": 300}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.bert_classifier(tmp_path / "model")


class Loader(ModelLoader):
    """Makes the model that `arguments` name now; closed by its test."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(lambda: Model(**self.arguments))
        self.arguments = {"device": "cpu"} | arguments

    def model(self) -> Predictor:
        return self.current().result(60)

    def reload_and_wait(self) -> None:
        self.reload()
        until(lambda: not self.is_reloading)


@pytest.fixture
def loader(folder: Path) -> Iterator[Loader]:
    made = Loader(model_id=str(folder))
    yield made
    made.close()


def messages(caplog: pytest.LogCaptureFixture) -> str:
    records = [record for record in caplog.records if record.name == "tryout.jobs.loader"]
    return "\n".join(record.getMessage() for record in records)


def test_the_new_revision_takes_the_place_of_the_old_and_frees_its_weights(
    loader: Loader, folder: Path
) -> None:
    old = loader.model()
    assert isinstance(old, Model)
    weights = weakref.ref(old.loaded.runtime)
    done = old.counters.done
    tiny.renew(folder)
    loader.reload_and_wait()
    new = loader.model()
    assert new.info.revision != old.info.revision
    assert new.predict(["x"])[0].model_revision == new.info.revision
    assert new.counters.done > done, "the counts go on"
    assert weights() is None, "although the model itself is still held"
    for ask in (lambda: old.submit("x"), lambda: old.reads_all("x")):
        with pytest.raises(ModelClosed):
            ask()
    assert old.info.revision


def test_the_old_one_answers_all_that_it_took_and_until_then_all_that_comes(
    tmp_path: Path,
) -> None:
    folder = tiny.llama(tmp_path / "writer", max_tokens=4096)
    loader = Loader(model_id=str(folder))
    old = loader.model()
    growing, waiting = old.stream("Once", LONG), old.submit("There", LONG, bulk=True)
    tiny.renew(folder)
    loader.reload()
    while not growing.wait(0.01):
        assert loader.model() is old or growing.future.done(), "its worker computes for both"
    until(lambda: loader.model() is not old)
    first = growing.future.result(60)
    assert (first.model_revision, first.output.is_whole) == (old.info.revision, True)
    assert waiting.result(60).model_revision == old.info.revision
    new = loader.model()
    assert new.submit("Once", {"max_new_tokens": 1}).result(60).model_revision == new.info.revision
    until(lambda: not loader.is_reloading)
    loader.close()


def test_the_same_revision_is_not_loaded_again(
    loader: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tryout")
    present = loader.model()
    loader.reload_and_wait()
    assert loader.model() is present
    assert f"{present.info.revision}, is the newest" in messages(caplog)
    assert present.predict(["x"])


def test_other_settings_of_the_same_revision_are_loaded(loader: Loader) -> None:
    present = loader.model()
    loader.arguments["dtype"] = "bfloat16"
    loader.reload_and_wait()
    assert loader.model().info.dtype == "bfloat16"
    assert loader.model().info.revision == present.info.revision


def test_another_model_takes_the_place(loader: Loader, tmp_path: Path) -> None:
    loader.model()
    loader.arguments["model_id"] = str(tiny.bert_tagger(tmp_path / "other"))
    loader.reload_and_wait()
    assert loader.model().info.task == "token-classification"


def test_the_present_model_stays_if_the_next_cannot_be_loaded(
    loader: Loader, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    present = loader.model()
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.unlink()
    loader.reload_and_wait()
    assert "It lacks its weights (model.safetensors)" in messages(caplog)
    assert loader.model() is present
    broken = weights.with_name("broken")
    broken.write_bytes(whole[: len(whole) // 2])
    broken.rename(weights)
    loader.reload_and_wait()
    assert "Its weights cannot be read" in messages(caplog)
    assert loader.model() is present
    assert present.predict(["x"])
    broken.write_bytes(whole)
    broken.rename(weights)
    tiny.renew(folder)
    loader.reload_and_wait()
    assert loader.model() is not present, "the next signal tries again"


def test_the_present_model_stays_if_the_settings_are_wrong(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def make() -> Predictor:
        raise TryoutError("app.toml is not valid TOML.")

    present = loader.model()
    monkeypatch.setattr(loader, "_make", make)
    loader.reload_and_wait()
    assert "app.toml is not valid TOML." in messages(caplog)
    assert messages(caplog).endswith("stays")
    assert loader.model() is present


def test_calls_while_a_load_runs_are_done_once_after_it(
    loader: Loader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = loader.model()
    asked, go_on, inspect = [], threading.Event(), Model.inspect

    def waiting(model: Model) -> Any:
        found = inspect(model)
        asked.append(found.revision)
        go_on.wait(60)
        return found

    monkeypatch.setattr(Model, "inspect", waiting)
    loader.reload()
    until(lambda: asked)
    tiny.renew(folder)  # which the load that runs has not seen
    for _ in range(5):
        loader.reload()
    go_on.set()
    until(lambda: not loader.is_reloading)
    assert len(asked) == 2
    assert loader.model().info.revision == asked[1] != first.info.revision


def test_a_model_that_could_not_be_loaded_is_tried_at_once(folder: Path) -> None:
    hidden = folder.rename(folder.with_name("hidden"))
    loader = Loader(model_id=str(folder))
    with pytest.raises(ModelError, match="no such folder"):
        loader.model()
    hidden.rename(folder)
    loader.reload_and_wait()
    assert loader.model().predict(["x"])
    loader.close()


def test_without_room_for_both_the_new_one_is_loaded_after_the_old(
    loader: Loader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = loader.model()
    weights = old.info.memory_bytes
    assert isinstance(old, Model)
    runtime = weakref.ref(old.loaded.runtime)
    loading, go_on, load = threading.Event(), threading.Event(), Model.load

    def waiting(model: Model) -> None:
        loading.set()
        go_on.wait(60)
        load(model)

    monkeypatch.setattr(Model, "load", waiting)
    monkeypatch.setattr(
        "model.loading.free_bytes", lambda device: weights * (1 if runtime() else 2)
    )
    tiny.renew(folder)
    loader.reload()
    until(loading.is_set)
    future = loader.current()
    assert not future.done()
    assert reason_of(future).startswith("There is no room in memory for a second model of")
    assert reason_of(future) != LOADING
    with pytest.raises(ModelClosed):
        old.submit("x")
    go_on.set()
    new = future.result(60)
    assert loader.model() is new
    assert new.predict(["x"])[0].model_revision == new.info.revision != old.info.revision


def test_a_model_that_would_not_fit_alone_does_not_close_the_present_one(
    loader: Loader,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    present = loader.model()
    monkeypatch.setattr("model.loading.free_bytes", lambda device: 0)
    tiny.renew(folder)
    loader.reload_and_wait()
    assert "would be free without the present one" in messages(caplog)
    assert loader.model() is present
    assert present.predict(["x"])


def test_a_challenger_goes_on_beside_the_new_model(loader: Loader, folder: Path) -> None:
    challenger, old = Challenger(), loader.model()
    challenger.load(old, str(folder), "", by="Ada")
    assert challenger.loading is not None
    beside = challenger.loading.result(60)
    tiny.renew(folder)
    loader.reload_and_wait()
    assert beside.predict(["x"])[0].model_revision == old.info.revision
    assert loader.model().predict(["x"])[0].model_revision != old.info.revision
    challenger.unload()


def test_a_loader_that_was_closed_loads_nothing_more(loader: Loader, folder: Path) -> None:
    present = loader.model()
    tiny.renew(folder)
    loader.close()
    loader.reload_and_wait()
    assert loader.model() is present


class Unlucky:
    """A lock that asks its loader for a reload in the moment that the last one has ended."""

    def __init__(self, loader: ModelLoader) -> None:
        self._lock, self._loader, self.asked = threading.Lock(), loader, False

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        has_ended = not self._loader.is_reloading
        self._lock.release()
        if has_ended and not self.asked and threading.current_thread().name == "reload-model":
            self.asked = True
            self._loader.reload()


def test_a_call_in_the_moment_that_the_last_one_ends_is_done_by_one_thread(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tryout")
    loader.model()
    lock = Unlucky(loader)
    monkeypatch.setattr(loader, "_lock", lock)

    def has_ended() -> bool:
        names = {thread.name for thread in threading.enumerate()}
        return lock.asked and "reload-model" not in names

    loader.reload()
    until(has_ended)
    assert messages(caplog).count("Looking for a new revision") == 2
    loader.reload_and_wait()
    assert messages(caplog).count("Looking for a new revision") == 3


def test_a_model_that_fails_once_it_is_loaded_changes_nothing(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    present = loader.model()
    assert isinstance(present, Model)
    batcher = present._batcher
    assert batcher
    bound = batcher.max_batch_tokens
    assert bound > 0
    loader.arguments["model_id"] = str(tiny.fnet_classifier(tmp_path / "alone"))
    monkeypatch.setattr(Model, "predict", lambda *args: 1 / 0)
    loader.reload_and_wait()
    monkeypatch.undo()
    assert loader.model() is present
    assert batcher.max_batch_tokens == bound
    loader.reload_and_wait()
    assert loader.model() is not present
    assert batcher.max_batch_tokens == 0, "its rows cannot be padded"


def test_a_sentence_that_says_all_is_logged_without_a_traceback(
    loader: Loader, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loader.model()
    loader.arguments["model_id"] = "./nowhere"
    loader.reload_and_wait()
    (record,) = [each for each in caplog.records if "no such folder" in each.getMessage()]
    assert record.exc_info is None


def test_a_model_behind_a_url_does_not_close_a_challenger(folder: Path) -> None:
    loader, challenger = Loader(model_id=str(folder)), Challenger()
    challenger.load(loader.model(), str(folder), "", by="Ada")
    assert challenger.loading is not None
    beside = challenger.loading.result(60)
    elsewhere = FakePredictor()
    loader.arguments, loader._make = {}, lambda: elsewhere
    loader.reload_and_wait()
    assert loader.model() is elsewhere
    assert beside.predict(["x"])
    challenger.close()
    loader.close()
    with pytest.raises(ModelClosed):
        beside.predict(["x"])


def test_an_edited_function_is_a_new_revision(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, monkeypatch)
    loader = Loader(model_id=str(folder), preprocess="cleaning:lower")
    old = loader.model()
    assert old.predict(["Ab"])[0].read == "ab"
    loader.reload_and_wait()
    assert loader.model() is old
    path.write_text("def lower(text):\n    return text.upper()\n", encoding="utf-8")
    loader.reload_and_wait()
    new = loader.model()
    assert new.info.revision.split("+")[0] == old.info.revision.split("+")[0]
    assert new.info.revision != old.info.revision
    assert new.predict(["Ab"])[0].read == "AB"
    path.write_text("def lower(text):\n    return 1 / 0\n", encoding="utf-8")
    loader.reload_and_wait()
    assert loader.model() is new, "it fails at its first prediction"
    path.unlink()
    loader.reload_and_wait()
    assert "there is no file cleaning.py" in messages(caplog)
    assert loader.model().predict(["Ab"])[0].read == "AB"
    loader.close()
