"""The model beside the live one: loaded, unloaded, and the live models it can stand beside."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback import FeedbackLog
from jobs.challenger import Challenger, challenger_for
from model import Model, ModelClosed, ModelError, Predictor
from tests.helpers import tiny
from tests.helpers.predictor import FakePredictor
from tests.helpers.preprocess import loaded, write


@pytest.fixture
def live() -> FakePredictor:
    predictor = FakePredictor(runtime="torch")
    predictor.load()
    return predictor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.bert_classifier(tmp_path / "model")


@pytest.fixture
def challenger() -> Iterator[Challenger]:
    challenger = Challenger()
    yield challenger
    challenger.unload()


def test_beside_a_model_of_no_worker_it_has_its_own(live: FakePredictor, folder: Path) -> None:
    beside: Predictor = challenger_for(live, str(folder), "")
    beside.load()
    (prediction,) = beside.predict(["a good day"])
    assert prediction.task == live.info.task
    assert prediction.model_id == str(folder)
    beside.close()


def test_it_is_loaded_and_unloaded(
    challenger: Challenger, live: FakePredictor, folder: Path
) -> None:
    assert challenger.load(live, str(folder), "", by="Ada")
    assert challenger.loading is not None
    assert isinstance(challenger.loading.result(60), Model)
    assert challenger.model is challenger.loading.result()
    assert challenger.chosen_by == "Ada"
    challenger.unload()
    assert challenger.loading is None
    assert challenger.model is None


def test_a_model_that_cannot_be_loaded_says_why(
    challenger: Challenger, live: FakePredictor
) -> None:
    challenger.load(live, "./nowhere", "", by="Ada")
    assert challenger.loading is not None
    error = challenger.loading.exception(60)
    assert isinstance(error, ModelError)
    assert "'./nowhere' cannot be loaded" in str(error)
    assert challenger.model is None


def test_it_ends_with_the_process(
    challenger: Challenger, live: FakePredictor, folder: Path, sqlite_log: FeedbackLog
) -> None:
    challenger.close()
    challenger.load(live, str(folder), "", by="Ada")
    assert challenger.loading is not None
    model = challenger.loading.result(60)
    challenger.start_replay(sqlite_log, limit=10)
    challenger.close()
    assert challenger.replay is not None
    assert challenger.replay.stopped
    with pytest.raises(ModelClosed):
        model.submit("x")


def test_it_reads_what_the_live_model_reads(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file of the owner's function was edited since."""
    path = write(tmp_path, monkeypatch)
    model = loaded("clean")
    path.write_text("def clean(text):\n    return 'x'\n", encoding="utf-8")
    beside = challenger_for(model, str(folder), "")
    beside.load()
    ours, theirs = (each.predict(["@ada wrote"])[0] for each in (model, beside))
    assert ours.read == theirs.read == "@user wrote"
    assert theirs.model_revision.split("+")[1] == ours.model_revision.split("+")[1]
    beside.close()
    assert model.predict(["@ada wrote"])[0].read == "@user wrote"
    model.close()
