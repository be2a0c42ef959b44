"""The probes and metrics for a model that loads, that failed, that is there; without a model."""

from concurrent.futures import Future

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from feedback import FeedbackLog
from model import ModelLoadError, Predictor
from serving.access import Access
from serving.app import routes
from serving.service import Service
from tests.helpers.predictor import FakePredictor


@pytest.fixture
def future() -> Future[Predictor]:
    return Future()


@pytest.fixture
def client(future: Future[Predictor], sqlite_log: FeedbackLog) -> TestClient:
    service = Service(lambda: future, lambda: sqlite_log)
    return TestClient(Starlette(routes=routes(service, lambda: 3, access=Access())))


def test_ready_waits_for_the_model(future: Future[Predictor], client: TestClient) -> None:
    assert client.get("/api/live").status_code == 200
    early = client.get("/api/ready")
    assert (early.status_code, early.json()) == (503, {"status": "loading"})
    predictor = FakePredictor(revision="7")
    predictor.load()
    future.set_result(predictor)
    answer = client.get("/api/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "model": {"id": "tests/fake", "revision": "7"}}


def test_a_model_that_failed_says_why(future: Future[Predictor], client: TestClient) -> None:
    sentence = "There is no such folder. Check its name."
    future.set_exception(ModelLoadError(sentence))
    answer = client.get("/api/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "failed", "error": sentence}


def test_metrics_count_the_predictions(future: Future[Predictor], client: TestClient) -> None:
    assert "tryout_model_ready 0.0" in client.get("/metrics").text
    predictor = FakePredictor()
    predictor.load()
    predictor.predict(["a good day", "a bad day"])
    future.set_result(predictor)
    text = client.get("/metrics").text
    for line in ("tryout_model_ready 1.0", "tryout_sessions 3.0", "tryout_predictions_total 2.0"):
        assert line in text


def test_other_paths_and_methods_are_not_found(client: TestClient) -> None:
    for path in ("/api", "/api/nothing", "/api/export/nothing.csv"):
        assert client.get(path).json() == {"error": f"There is no GET {path} here."}
    assert client.post("/api/export/ratings.csv").status_code == 404
    for path in ("/api/a%0Ab", "/models/a%0Ab", "/v2/models/a%0Ab/nothing"):
        assert "error" in client.post(path).json()
