"""A challenger predicts texts that programs ask for: unseen by them, and logged as a pair."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from feedback import FeedbackLog
from feedback.filters import Filter
from feedback.shadowed import newest_pairs
from jobs.loader import ModelLoader
from model import Model
from serving.service import Service
from serving.shadow import Shadow
from tests.helpers import tiny
from tests.helpers.service import listening, service_of
from tests.helpers.until import until

TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "It is Tuesday."]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.bert_classifier(tmp_path_factory.mktemp("other") / "model")
    tiny.renew(folder)
    return folder


@contextmanager
def shadowed(
    model: Model, log: FeedbackLog, shadow: Shadow, **arguments: Any
) -> Iterator[httpx2.Client]:
    service = service_of(model, log, shadow=shadow, **arguments)
    with listening(service) as url, httpx2.Client(base_url=url, timeout=60) as client:
        yield client


def ask(client: httpx2.Client, *texts: str, **headers: str) -> list[Any]:
    answer = client.post("/api/predictions", json={"texts": texts}, headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["predictions"])


def load(client: httpx2.Client, shadow: Shadow) -> None:
    """Asks for a text, by which the challenger is loaded; that text is not for it."""
    ask(client, TEXTS[0])
    until(lambda: shadow.is_loaded)


def counts(client: httpx2.Client) -> dict[str, float]:
    lines = client.get("/metrics").text.split("\n")
    begin = 'tryout_shadow_total{result="'
    pairs = [line.removeprefix(begin).split('"} ') for line in lines if line.startswith(begin)]
    return {result: float(number) for result, number in pairs}


def test_both_predictions_are_in_the_log_and_one_is_answered(
    model: Model, sqlite_log: FeedbackLog, other: Path
) -> None:
    shadow = Shadow(str(other), share=1)
    with shadowed(model, sqlite_log, shadow) as client:
        load(client, shadow)
        (answered,) = ask(client, TEXTS[1])
        client.post(
            "/v2/models/bundled/infer",
            json={
                "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": TEXTS[2:]}]
            },
        ).raise_for_status()
        until(lambda: len(newest_pairs(sqlite_log, limit=9)) == 2)
        assert answered["model_revision"] == model.info.revision
        until(lambda: counts(client)["predicted"] == 2)
    last, first = newest_pairs(sqlite_log, limit=9)
    assert str(first.answered.prediction.id) == answered["id"]
    for pair, text in ((first, TEXTS[1]), (last, TEXTS[2])):
        assert pair.answered.prediction.input == pair.other.prediction.input == text
        assert pair.answered.prediction.model_id == model.info.id
        assert (pair.other.prediction.model_id, pair.other.source) == (str(other), "compare")
        assert pair.answered.source == "api"


def test_what_is_not_to_be_stored_and_several_texts_are_left_to_the_live_model(
    model: Model, sqlite_log: FeedbackLog, other: Path
) -> None:
    shadow = Shadow(str(other), share=1)
    with shadowed(model, sqlite_log, shadow) as client:
        load(client, shadow)
        ask(client, TEXTS[1], **{"X-Tryout-Log": "no"})
        ask(client, *TEXTS)
        (drawn,) = ask(client, TEXTS[2])
        until(lambda: counts(client)["predicted"] == 1)
    (pair,) = newest_pairs(sqlite_log, limit=9)
    assert str(pair.answered.prediction.id) == drawn["id"]


def test_a_share_of_none_loads_nothing(model: Model, sqlite_log: FeedbackLog) -> None:
    shadow = Shadow("./nowhere", share=0)
    with shadowed(model, sqlite_log, shadow) as client:
        ask(client, TEXTS[0])
        assert counts(client) == {"predicted": 0, "dropped": 0, "failed": 0}
    assert not shadow.is_loaded


def test_a_challenger_that_cannot_be_loaded_or_fails_is_noticed_by_nobody(
    model: Model, sqlite_log: FeedbackLog, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shadowed(model, sqlite_log, Shadow("./nowhere", share=1)) as client:
        for text in TEXTS:
            ask(client, text)
        assert counts(client)["dropped"] == 3
    shadow = Shadow(str(other), share=1)
    with shadowed(model, sqlite_log, shadow) as client:
        load(client, shadow)
        monkeypatch.setattr("model.tasks.text_classification.softmax", lambda logits: 1 / 0)
        client.post("/api/predictions", json={"texts": TEXTS[:1]})  # the live one fails, too
        monkeypatch.undo()
        submit = Model.submit

        def fails(model: Model, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("bulk"):
                raise RuntimeError("odd")
            return submit(model, *args, **kwargs)

        monkeypatch.setattr(Model, "submit", fails)
        ask(client, TEXTS[1])
        until(lambda: counts(client)["failed"] == 1)
    assert newest_pairs(sqlite_log, limit=9) == []


def test_texts_are_dropped_while_the_model_has_much_to_do(
    model: Model, sqlite_log: FeedbackLog, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = Shadow(str(other), share=1)
    with shadowed(model, sqlite_log, shadow) as client:
        load(client, shadow)
        monkeypatch.setattr("serving.shadow.BUSY_DEPTH", 0)
        before = counts(client)
        ask(client, TEXTS[1])
        assert counts(client) == before | {"dropped": before["dropped"] + 1}


def test_it_goes_on_beside_a_new_revision(
    sqlite_log: FeedbackLog, other: Path, tmp_path: Path
) -> None:
    folder = tiny.bert_classifier(tmp_path / "model")
    loader = ModelLoader(lambda: Model(str(folder), device="cpu"))
    loader.current().result(60)
    shadow = Shadow(str(other), share=1)
    service = Service(loader.current, lambda: sqlite_log, shadow=shadow)
    with listening(service) as url, httpx2.Client(base_url=url, timeout=60) as client:
        load(client, shadow)
        tiny.renew(folder)
        loader.reload()
        until(lambda: not loader.is_reloading)
        (answered,) = ask(client, TEXTS[1])
        until(lambda: newest_pairs(sqlite_log, limit=1))
    (pair,) = newest_pairs(sqlite_log, limit=1)
    assert pair.answered.prediction.model_revision == answered["model_revision"]
    stored = sqlite_log.page(Filter(), offset=0, limit=9)
    assert len(stored) == 3
    loader.close()


def test_beside_a_model_of_another_task_it_is_loaded_anew(
    sqlite_log: FeedbackLog, tmp_path: Path
) -> None:
    classifier = tiny.bert_classifier(tmp_path / "model")
    live = [classifier]
    loader = ModelLoader(lambda: Model(str(live[0]), device="cpu"))
    loader.current().result(60)
    shadow = Shadow(str(tiny.llama(tmp_path / "other")), share=1)
    service = Service(loader.current, lambda: sqlite_log, shadow=shadow)
    with listening(service) as url, httpx2.Client(base_url=url, timeout=60) as client:
        ask(client, TEXTS[0])
        until(lambda: shadow._loading and shadow._loading.done())
        assert not shadow.is_loaded, "it does not classify"
        for folder in (tiny.llama(tmp_path / "writer"), classifier):
            live[0] = folder
            loader.reload()
            until(lambda: not loader.is_reloading)
            ask(client, TEXTS[1])
            until(lambda: shadow._loading and shadow._loading.done())
            assert shadow.is_loaded is (folder != classifier)
            if shadow.is_loaded:
                ask(client, TEXTS[2])
                until(lambda: newest_pairs(sqlite_log, limit=1))
        assert counts(client) == {"predicted": 1, "dropped": 3, "failed": 0}
    (pair,) = newest_pairs(sqlite_log, limit=9)
    assert pair.answered.prediction.task == pair.other.prediction.task == "text-generation"
    loader.close()
