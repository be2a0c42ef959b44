"""The contract of a predictor, held by the model of this process, by models behind a URL and by
the fake of other tests."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from feedback import FeedbackLog
from model import InputError, Model, ModelClosed, Predictor, ScoredLabels
from model.remote import RemoteModel
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.predictor import FakePredictor
from tests.helpers.service import listening, service_of

MAKERS: dict[str, Callable[[str], Predictor]] = {
    "Model": lambda url: Model("model/bundled", device="cpu"),
    "RemoteModel": RemoteModel,
    "huggingface": lambda url: RemoteModel(
        f"{url}/api/predict", api="huggingface", task="text-classification"
    ),
    "FakePredictor": lambda url: FakePredictor(),
}
TEXTS = ["a good film", "a bad film", "a good book"]


@pytest.fixture(scope="module")
def url(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of the bundled model."""
    log = FeedbackLog(new_sqlite_log(tmp_path_factory.mktemp("service") / "log.db"))
    with listening(service_of(model, log, max_chars=20_000)) as listening_url:
        yield listening_url
    log.close()


@pytest.fixture(scope="module", params=MAKERS)
def predictor(request: pytest.FixtureRequest, url: str) -> Iterator[Predictor]:
    loaded = MAKERS[request.param](url)
    loaded.load()
    loaded.warm_up()
    yield loaded
    loaded.close()


def test_predictions_come_in_the_order_of_their_texts(predictor: Predictor) -> None:
    predictions = predictor.predict(TEXTS)
    assert [prediction.input for prediction in predictions] == TEXTS
    assert len({prediction.id for prediction in predictions}) == len(TEXTS)
    assert predictor.predict([]) == []


def test_a_prediction_names_its_model_and_what_it_read(predictor: Predictor) -> None:
    info = predictor.info
    (prediction,) = predictor.predict(TEXTS[:1])
    assert prediction.model_id == info.id
    assert prediction.model_revision == info.revision
    assert (prediction.task, prediction.runtime) == (info.task, info.runtime)
    assert prediction.params == {param.name: param.default for param in info.params}
    assert isinstance(prediction.output, ScoredLabels)
    assert {item.label for item in prediction.output.items} == set(info.labels)
    assert not prediction.truncated


@pytest.mark.parametrize("bulk", [False, True])
def test_a_submitted_text_gets_the_same_output(predictor: Predictor, bulk: bool) -> None:
    future = predictor.submit(TEXTS[0], bulk=bulk, timeout_s=60)
    prediction = future.result(60)
    assert prediction.label == predictor.predict(TEXTS[:1])[0].label == "positive"
    assert predictor.place(future) is None
    assert predictor.queue_depth == 0


def test_many_texts_are_submitted_at_once(predictor: Predictor) -> None:
    futures = predictor.submit_many(TEXTS, timeout_s=60)
    assert [future.result(60).input for future in futures] == TEXTS
    assert predictor.submit_many([]) == []
    with pytest.raises(InputError, match="no parameter 'top_p'"):
        predictor.submit_many(TEXTS, {"top_p": 1})


def test_an_unknown_parameter_and_a_bare_text_are_refused(predictor: Predictor) -> None:
    for call in (predictor.predict, lambda texts, params: predictor.submit(texts[0], params)):
        with pytest.raises(InputError, match="no parameter 'top_p'"):
            call(["a text"], {"top_p": 1})
    with pytest.raises(InputError, match="list of texts"):
        predictor.predict("a text")


def test_a_text_over_the_limit_is_known_before_and_said_after(
    predictor: Predictor, request: pytest.FixtureRequest
) -> None:
    short, long = "a good film", "a good film. " * 1000
    assert predictor.reads_all(short)
    if "huggingface" in request.node.name:
        assert predictor.reads_all(long), "that API tells no lengths, and nothing is refused unseen"
        return
    assert not predictor.reads_all(long)
    assert [p.truncated for p in predictor.predict([short, long])] == [False, True]


def test_what_was_computed_is_counted(predictor: Predictor) -> None:
    before = predictor.counters.done
    predictor.predict(TEXTS)
    assert predictor.counters.done == before + len(TEXTS)


def test_a_classifier_does_not_stream(predictor: Predictor) -> None:
    assert not predictor.generates
    with pytest.raises(InputError, match="use submit"):
        predictor.stream("a text")


ASK: dict[str, Callable[[Predictor], object]] = {
    "info": lambda predictor: predictor.info,
    "generates": lambda predictor: predictor.generates,
    "predict": lambda predictor: predictor.predict(["a text"]),
    "submit": lambda predictor: predictor.submit("a text").result(60),
    "submit_many": lambda predictor: predictor.submit_many(["a text", "another"]),
    "stream": lambda predictor: predictor.stream("a text"),
    "reads_all": lambda predictor: predictor.reads_all("a text"),
    "place": lambda predictor: predictor.place(Future()),
    "counters": lambda predictor: predictor.counters,
    "queue_depth": lambda predictor: predictor.queue_depth,
    "warm_up": lambda predictor: predictor.warm_up(),
}


@pytest.mark.parametrize("member", ASK)
@pytest.mark.parametrize("name", MAKERS)
def test_before_load_all_members_say_so(name: str, member: str) -> None:
    with pytest.raises(ModelClosed):
        ASK[member](MAKERS[name]("http://127.0.0.1:1"))


def test_after_close_the_facts_stay_and_nothing_is_predicted(predictor: Predictor) -> None:
    predictor.close()  # the last test of the module that this predictor serves
    assert predictor.info.labels
    assert predictor.counters.done
    for member in ("predict", "submit", "submit_many"):
        with pytest.raises(ModelClosed):
            ASK[member](predictor)
