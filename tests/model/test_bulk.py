"""Many texts behind everybody else's, with the bundled model."""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from model import InputError, Model, ModelClosed, ModelError, Prediction
from model.bulk import UNDER_WAY, predict_each
from model.errors import ModelUnreachable
from tests.helpers import tiny
from tests.helpers.predictor import FakePredictor


def asked(texts: list[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    for number, text in enumerate(texts):
        yield number, text, {}


def test_each_text_gets_what_it_gets_alone_in_its_order(model: Model) -> None:
    texts = [f"{'very ' * (i % 40)}good number {i}" for i in range(UNDER_WAY + 50)]
    made = list(predict_each(model, asked(texts)))
    assert [number for number, _ in made] == list(range(len(texts)))
    predictions = [one for _, one in made if isinstance(one, Prediction)]
    assert [one.input for one in predictions] == texts
    alone = model.predict(texts[:5])
    assert [one.label for one in predictions[:5]] == [one.label for one in alone]


def test_it_takes_no_more_than_is_under_way(model: Model) -> None:
    """Whoever stops reading stops the reading of the file, too."""
    taken: list[int] = []

    def noted() -> Iterator[tuple[int, str, dict[str, Any]]]:
        for one in asked([f"text {i}" for i in range(UNDER_WAY * 3)]):
            taken.append(one[0])
            yield one

    made = predict_each(model, noted())
    for _ in range(10):
        next(made)
    assert len(taken) <= UNDER_WAY + 10
    made.close()  # type: ignore[attr-defined]
    assert model.predict(["still there"])[0].label


def test_a_text_that_cannot_be_predicted_says_why_and_hurts_no_other(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    model = Model(str(tiny.bert_masked(tmp_path_factory.mktemp("mask") / "model")), device="cpu")
    model.load()
    texts = ["a [MASK] b", "no gap", "[MASK] again"]
    kinds = [type(one) for _, one in predict_each(model, asked(texts))]
    assert kinds == [Prediction, InputError, Prediction]
    model.close()


def test_it_stops_soon_and_gives_out_what_is_predicted(model: Model) -> None:
    done: list[int] = []
    every = asked([f"text {i}" for i in range(5000)])
    for number, _ in predict_each(model, every, goes_on=lambda: len(done) < 20):
        done.append(number)
    assert done[:20] == list(range(20))
    assert len(done) <= 20 + UNDER_WAY
    assert model.queue_depth == 0 or all(
        isinstance(one, Prediction) for one in model.predict(["next"])
    )


def test_a_text_that_is_being_generated_is_stopped_and_not_given_out(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tiny.llama(tmp_path_factory.mktemp("writer") / "model", max_tokens=8192)
    model = Model(str(folder), device="cpu")
    model.load()
    polls = iter([True] * 3 + [False] * 9999)
    texts = [(name, "Once", {"max_new_tokens": 4000}) for name in "ab"]
    assert list(predict_each(model, texts, goes_on=lambda: next(polls))) == [], "else it is whole"
    short = list(predict_each(model, [("c", "Once", {"max_new_tokens": 3})]))
    assert [key for key, _ in short] == ["c"]
    model.close()


def test_a_full_queue_is_waited_for(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model._queue, "_max_items", 3)
    made = list(predict_each(model, asked([f"text {i}" for i in range(40)])))
    assert [number for number, _ in made] == list(range(40))


def test_a_closed_model_ends_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = Model(str(tiny.bert_classifier(tmp_path_factory.mktemp("c") / "model")), device="cpu")
    model.load()
    made = predict_each(model, asked(["text"] * 5000))
    next(made)
    model.close()
    with pytest.raises(ModelClosed):
        list(made)
    assert issubclass(ModelClosed, ModelError)


class AwayPredictor(FakePredictor):
    """A predictor that cannot be reached for its first `away` calls."""

    def __init__(self, away: int) -> None:
        super().__init__()
        self._away = away
        self.load()

    def submit(self, text: str, *args: Any, **options: Any) -> Future[Prediction]:
        self._away -= 1
        if self._away >= 0:
            raise ModelUnreachable("The model cannot be reached.")
        return super().submit(text, *args, **options)


def test_a_model_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.bulk.AWAY_S", 0)
    heard: list[bool] = []
    made = list(predict_each(AwayPredictor(3), asked(["a", "b"]), on_away=heard.append))
    assert [number for number, _ in made] == [0, 1]
    assert heard == [True, False]


def test_a_model_that_does_not_come_back_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.bulk.AWAY_S", 0)
    monkeypatch.setattr("model.bulk.LONGEST_AWAY_S", 0.0)
    with pytest.raises(ModelUnreachable, match="cannot be reached"):
        list(predict_each(AwayPredictor(10**9), asked(["a", "b"])))
