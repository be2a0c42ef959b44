"""A second model behind the first: one worker, one batch at a time, and the first goes first."""

import gc
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from model import Model, ModelClosed, ModelError, ModelLoadError
from model.bulk import predict_each
from tests.helpers import tiny

WAIT_S = 20


class Watched:
    """Notes the batches of two models, which wait at the gate while it is shut."""

    def __init__(self, live: Model, second: Model) -> None:
        self.batches: list[tuple[str, int]] = []
        self.gate, self.began = threading.Event(), threading.Event()
        self.gate.set()
        self.at_once = 0
        for name, model in (("live", live), ("second", second)):
            self._watch(name, model)

    def _watch(self, name: str, model: Model) -> None:
        forward = model.loaded.runtime.forward

        def watched(rows: Sequence[Any]) -> Any:
            self.at_once += 1
            assert self.at_once == 1, "two forward passes at once"
            self.batches.append((name, len(rows)))
            self.began.set()
            assert self.gate.wait(WAIT_S)
            self.at_once -= 1
            return forward(rows)

        model.loaded.runtime.forward = watched  # type: ignore[method-assign]

    def hold(self, model: Model) -> Any:
        """Has the worker compute a text until the gate is opened, so that a queue can gather."""
        self.began.clear()
        self.gate.clear()
        held = model.submit("held")
        assert self.began.wait(WAIT_S)
        self.batches.clear()
        return held


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Model]:
    made = Model(str(tiny.bert_classifier(tmp_path / "live")), device="cpu")
    made.load()
    yield made
    made.close()


@pytest.fixture
def second(tmp_path: Path, live: Model) -> Iterator[Model]:
    made = Model(
        str(tiny.bert_classifier(tmp_path / "second")), device="cpu", shares_worker_with=live
    )
    made.load()
    yield made
    made.close()


@pytest.fixture
def watched(live: Model, second: Model) -> Iterator[Watched]:
    watched = Watched(live, second)
    yield watched
    watched.gate.set()


def test_it_says_what_it_says_alone(second: Model) -> None:
    alone = Model(second.model_id, device="cpu")
    alone.load()
    texts = ["one text", "and another, which is longer", "x"]
    ours, theirs = second.predict(texts), alone.predict(texts)
    assert [p.output for p in ours] == [p.output for p in theirs]
    assert {p.model_id for p in ours} == {second.model_id}
    alone.close()


def test_texts_of_both_at_once_get_the_answers_of_their_own_model(
    live: Model, second: Model, watched: Watched
) -> None:
    texts = [f"text number {n}" for n in range(20)]
    expected = [[p.output for p in model.predict(texts)] for model in (live, second)]
    held = watched.hold(live)
    futures = [(live.submit(text, bulk=True), second.submit(text)) for text in texts]
    watched.gate.set()
    said = [[pair[i].result(WAIT_S) for pair in futures] for i in range(2)]
    for predictions, outputs, model in zip(said, expected, (live, second), strict=True):
        assert {p.model_id for p in predictions} == {model.model_id}
        for prediction, output in zip(predictions, outputs, strict=True):
            assert prediction.label == output.label
    held.result(WAIT_S)


def test_the_second_model_waits_until_the_visitors_are_served(
    live: Model, second: Model, watched: Watched
) -> None:
    watched.hold(second)
    futures = [second.submit("of the second") for _ in range(3)]
    futures += [live.submit("a visitor's") for _ in range(2)]
    watched.gate.set()
    for future in futures:
        future.result(WAIT_S)
    assert watched.batches == [("live", 2), ("second", 3)]


def test_a_second_model_that_fails_fails_alone(
    live: Model, second: Model, watched: Watched
) -> None:
    def fail(rows: Any) -> None:
        raise RuntimeError("broken weights")

    held = watched.hold(live)
    second.loaded.runtime.forward = fail  # type: ignore[method-assign,assignment]
    theirs = [second.submit("x") for _ in range(3)]
    ours = [live.submit("y") for _ in range(3)]
    watched.gate.set()
    assert [future.result(WAIT_S).input for future in (held, *ours)] == ["held", "y", "y", "y"]
    assert watched.batches == [("live", 3)], "none was computed twice"
    for future in theirs:
        with pytest.raises(ModelError, match="broken weights"):
            future.result(WAIT_S)


def test_closing_the_second_leaves_the_first_alone(
    live: Model, second: Model, watched: Watched
) -> None:
    held = watched.hold(second)
    theirs, ours = [second.submit("x") for _ in range(3)], [live.submit("y") for _ in range(3)]
    closing = threading.Thread(target=second.close)
    closing.start()
    for future in theirs:
        with pytest.raises(ModelClosed, match="was closed"):
            future.result(WAIT_S)
    assert closing.is_alive(), "it waits for the batch that is computed"
    watched.gate.set()
    closing.join(WAIT_S)
    assert held.result(WAIT_S).input == "held"
    assert [future.result(WAIT_S).input for future in ours] == ["y"] * 3
    for use in (second.submit, lambda text: second.predict([text])):
        with pytest.raises(ModelClosed, match="was closed"):
            use("x")
    with pytest.raises(ModelClosed, match="was closed"):
        list(predict_each(second, [(1, "x", {})]))
    assert live.predict(["z"])[0].input == "z"
    second.close()


def test_closing_the_second_frees_its_weights(live: Model, second: Model) -> None:
    second.predict(["x", "y"])
    module = weakref.ref(second.loaded.runtime)
    second.close()
    gc.collect()
    assert module() is None, "although the model itself is still held"
    assert second.info.revision


def test_closing_the_first_leaves_the_second_alone(live: Model, second: Model) -> None:
    live.close()
    with pytest.raises(ModelClosed, match="was closed"):
        live.submit("x")
    assert second.submit("x").result(WAIT_S).input == "x"


def test_a_second_model_needs_a_first(tmp_path: Path) -> None:
    folder = str(tiny.bert_classifier(tmp_path / "one"))
    with pytest.raises(ModelClosed, match="not loaded yet"):
        Model(folder, device="cpu", shares_worker_with=Model(folder)).load()


def test_what_does_not_fit_beside_the_first_is_refused(
    live: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.machine.free_memory_bytes", lambda: 10_000)
    refused = Model(live.model_id, device="cpu", shares_worker_with=live)
    with pytest.raises(ModelLoadError, match=r"0\.0 MB is free beside the model that is loaded\."):
        refused.load()
    assert live.predict(["still here"])[0].input == "still here"
