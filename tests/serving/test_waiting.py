"""Requests that wait: clients that leave, deadlines, a full queue, slow bodies, no model yet."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2
import pytest

from feedback import FeedbackLog, LogUnavailable
from model import Model, ModelLoadError, Predictor
from model.prediction import new_id
from serving.service import Service
from tests.helpers.service import listening, service_of
from tests.helpers.until import until

BODY = {"texts": ["The battery lasts two days."]}


@pytest.fixture
def url(model: Model, sqlite_log: FeedbackLog) -> Iterator[str]:
    with listening(service_of(model, sqlite_log, body_timeout_s=0.5)) as listening_url:
        yield listening_url


def computing(model: Model) -> None:
    """Keeps the worker busy with a text, so that the next ones wait."""
    model.submit("the first")
    until(lambda: model.queue_depth == 0)


def raw(url: str, content: bytes) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((str(parts.hostname), int(parts.port or 0)))
    connection.sendall(content)
    return connection


def request(body: bytes, *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return (
        b"POST /api/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + f"Content-Length: {size}\r\n\r\n".encode()
        + body
    )


@pytest.mark.parametrize("texts", [["one"], ["one", "two", "three"]])
def test_a_client_that_leaves_cancels_its_texts(
    model: Model, held: threading.Event, url: str, texts: list[str]
) -> None:
    computing(model)
    before = model.counters.cancelled
    connection = raw(url, request(json.dumps({"texts": texts}).encode()))
    until(lambda: model.queue_depth == len(texts))
    connection.close()
    # A cancelled text leaves the queue when its turn comes, and is not computed.
    held.set()
    until(lambda: model.counters.cancelled == before + len(texts))


def test_a_stream_that_is_left_cancels_its_text(
    model: Model, held: threading.Event, url: str
) -> None:
    computing(model)
    before = model.counters.cancelled
    connection = raw(url, request(json.dumps(BODY | {"stream": True}).encode()))
    until(lambda: model.queue_depth == 1)
    assert b"event: place" in connection.recv(10_000) + connection.recv(10_000)
    connection.close()
    held.set()
    until(lambda: model.counters.cancelled == before + 1)


def test_a_deadline_that_passes_in_the_queue(model: Model, held: threading.Event, url: str) -> None:
    computing(model)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(
            httpx2.post, f"{url}/api/predictions", json=BODY | {"timeout_s": 0.001}, timeout=60
        )
        until(lambda: model.queue_depth == 1)
        held.set()
        assert answer.result().status_code == 504
        assert "The model is overloaded. This text waited" in answer.result().json()["error"]
        assert int(answer.result().headers["retry-after"]) >= 1


def test_a_full_queue_says_when_to_come_back(
    model: Model, held: threading.Event, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model._queue, "_max_items", 2)
    computing(model)
    waiting = [model.submit("a text") for _ in range(2)]
    for body in (BODY, {"texts": ["one", "two", "three"]}):
        answer = httpx2.post(f"{url}/api/predictions", json=body)
        assert answer.status_code == 429
        assert answer.json()["error"].startswith("The model is overloaded. Try again in about")
        assert int(answer.headers["retry-after"]) >= 1
    for future in waiting:
        future.cancel()


def test_a_body_that_does_not_come_is_not_waited_for(url: str) -> None:
    connection = raw(url, request(b'{"texts":', length=100))
    answer = connection.recv(10_000)
    assert b"408" in answer.split(b"\r\n")[0]
    connection.close()
    assert httpx2.post(f"{url}/api/predictions", json=BODY).status_code == 200


@pytest.mark.parametrize("length", [b"999999999999", b"-1", b"many"])
def test_a_length_that_lies_is_refused(url: str, length: bytes) -> None:
    content = request(b"{}").replace(b"Content-Length: 2", b"Content-Length: " + length)
    connection = raw(url, content)
    status = connection.recv(10_000).split(b"\r\n")[0]
    assert b" 413 " in status or b" 400 " in status
    connection.close()
    assert httpx2.post(f"{url}/api/predictions", json=BODY).status_code == 200


def test_without_a_model_all_answers_say_so(sqlite_log: FeedbackLog) -> None:
    future: Future[Predictor] = Future()
    with listening(Service(lambda: future, lambda: sqlite_log)) as url:
        answer = httpx2.post(f"{url}/api/predictions", json=BODY)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json() == {"error": "The model is loading. It is ready in a moment."}
        future.set_exception(ModelLoadError("The model 'x' cannot be loaded."))
        for path in ("/api/predictions", "/api/predict"):
            answer = httpx2.post(url + path, json=BODY if "ions" in path else {"inputs": "a"})
            assert answer.status_code == 503
            assert answer.json() == {"error": "There is no model: The model 'x' cannot be loaded."}
        assert httpx2.get(f"{url}/api/model").status_code == 503


def test_a_log_that_is_away_does_not_stop_predictions(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedback.write_queue.LAST_TRIES_S", 0.1)
    monkeypatch.setattr("feedback.write_queue.MAX_WAITING", 1)

    def away() -> FeedbackLog:
        raise LogUnavailable("The feedback log cannot be reached.")

    future: Future[Predictor] = Future()
    future.set_result(model)
    with listening(Service(lambda: future, away)) as url:
        made = httpx2.post(f"{url}/api/predictions", json=BODY)
        assert made.status_code == 200
        found = httpx2.get(f"{url}/api/predictions/{made.json()['predictions'][0]['id']}")
        assert found.json()["stored"] is False
        assert httpx2.get(f"{url}/api/predictions/{new_id()}").status_code == 503
        # Only when too many wait is a prediction refused that could not be stored.
        full = httpx2.post(f"{url}/api/predictions", json=BODY)
        assert full.status_code == 503
        assert "1 predictions wait for the feedback log" in full.json()["error"]
        answer = httpx2.post(f"{url}/api/predictions", json=BODY, headers={"X-Tryout-Log": "no"})
        assert answer.status_code == 200
