"""Rows and columns over a real port, as Vertex AI, TensorFlow Serving and KServe document them.

tests/clients asks the same with KServe's own client.
"""

import json
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx2
import pytest

from feedback import FeedbackLog
from model import Model, Predictor
from model.prediction import output_to_json
from serving.service import Service
from tests.helpers.service import listening, service_of
from tests.helpers.tasks import TASKS, close, served

PREDICT = "/v1/models/bundled:predict"
FIELDS = ("label", "score", "output", "truncated")
TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "Müde, 你好 🙂"]


def rows(model: Model, texts: Sequence[str]) -> list[dict[str, Any]]:
    """The rows that the model's predictions are."""
    return [
        {
            "label": made.label,
            "score": close(made.score),
            "output": close(output_to_json(made.output)),
            "truncated": made.truncated,
        }
        for made in model.predict(texts)
    ]


def test_vertex_ai_sends_instances_and_parameters(client: httpx2.Client, model: Model) -> None:
    """https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements#request_requirements"""
    answer = client.post(PREDICT, json={"instances": TEXTS, "parameters": {}})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"predictions": rows(model, TEXTS)}
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("field", ["text", "inputs", "content"])
def test_rows_may_be_objects(client: httpx2.Client, model: Model, field: str) -> None:
    instances = [{field: TEXTS[0]}, TEXTS[1], {field: TEXTS[2]}]
    answer = client.post(PREDICT, json={"instances": instances})
    assert answer.json() == {"predictions": rows(model, TEXTS)}


@pytest.mark.parametrize("inputs", [TEXTS, {"text": TEXTS}, {"inputs": TEXTS}])
def test_tensorflow_serving_has_columns_too(
    client: httpx2.Client, model: Model, inputs: object
) -> None:
    """https://www.tensorflow.org/tfx/serving/api_rest#predict_api"""
    body = {"signature_name": "serving_default", "inputs": inputs}
    expected = rows(model, TEXTS)
    assert client.post(PREDICT, json=body).json() == {
        "outputs": {name: [row[name] for row in expected] for name in FIELDS}
    }


def test_a_version_is_a_revision(client: httpx2.Client, model: Model) -> None:
    body = {"instances": TEXTS[:1]}
    path = f"/v1/models/bundled/versions/{model.info.revision}"
    assert client.post(f"{path}:predict", json=body).json() == {
        "predictions": rows(model, TEXTS[:1])
    }
    assert client.get(path).json() == client.get("/v1/models/bundled").json()
    for method, other in (
        ("POST", "/v1/models/bundled/versions/0:predict"),
        ("GET", "/v1/models/bundled/versions/0"),
    ):
        answer = client.request(method, other, json=body)
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("There is no version '0'")


def test_the_state_of_the_model_is_that_of_three_formats(
    client: httpx2.Client, model: Model
) -> None:
    """TensorFlow Serving's example is https://www.tensorflow.org/tfx/serving/api_rest#example."""
    state = client.get("/v1/models/bundled").json()
    assert state.pop("model_version_status") == [
        {
            "version": model.info.revision,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]
    assert state.pop("created") > 1_700_000_000
    assert state == {
        "name": "bundled",
        "ready": True,
        "id": "bundled",
        "object": "model",
        "owned_by": "tryout",
    }


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({}, 400, "Send either instances or inputs."),
        ({"instances": ["a"], "inputs": ["a"]}, 400, "Send either instances or inputs."),
        ({"instances": []}, 400, "instances: "),
        ({"inputs": []}, 400, "inputs"),
        ({"inputs": {}}, 400, "inputs"),
        ({"inputs": {"text": []}}, 400, "inputs.text"),
        ({"inputs": {"text": ["a"], "content": ["a"]}}, 400, "inputs"),
        ({"inputs": "a"}, 400, "inputs: "),
        ({"instances": "a"}, 400, "instances: "),
        ({"instances": ["a", 1]}, 400, "instances.1: "),
        ({"instances": [["a"]]}, 400, "instances.0: "),
        ({"instances": [{"words": "a"}]}, 400, "'text', 'inputs' or 'content'"),
        ({"instances": [{"text": "a", "content": "b"}]}, 400, "instances.0: "),
        ({"instances": [{"text": {"b64": "YQ=="}}]}, 400, "instances.0.text: "),
        ({"instances": [{}]}, 400, "instances.0: "),
        ({"instances": ["a"], "examples": []}, 400, "examples: "),
        ({"instances": ["a"], "parameters": []}, 400, "parameters: "),
        ({"instances": ["a"], "parameters": {"top_p": 1}}, 422, "no parameter 'top_p'"),
        ({"instances": ["a"], "signature_name": "regress"}, 422, "signature_name is 'regress'"),
        ({"instances": [TEXTS[0], " "]}, 422, "Text 2 of 2: There is no text to predict"),
        ({"inputs": [TEXTS[0], "x" * 501]}, 422, "Text 2 of 2: The text has 501 characters"),
        ({"instances": [" "]}, 422, "There is no text to predict"),
        ({"instances": ["a"] * 21}, 413, "21 texts in a request; the limit is 20"),
    ],
)
def test_a_request_that_is_wrong(
    client: httpx2.Client, body: object, status: int, sentence: str
) -> None:
    answer = client.post(PREDICT, json=body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not valid JSON"),
        (b'{"instances": ' + b"[" * 5_000_000, "not valid JSON"),
        (b'{"instances": ["\xff"]}', "not valid JSON"),
        (b'{"instances": ["\\ud800"]}', "not valid JSON"),
        (b'{"instances": [NaN]}', "instances.0: "),
        (b'{"instances": [' + b"1," * 3_000_000 + b"1]}", "instances.0: "),
        (b'{"inputs": [' + b"1," * 3_000_000 + b"1]}", "inputs.0: "),
    ],
)
def test_a_body_that_is_hostile(client: httpx2.Client, content: bytes, sentence: str) -> None:
    answer = client.post(PREDICT, content=content)
    assert (answer.status_code, sentence in answer.json()["error"]) == (400, True), answer.text


def test_a_million_texts_are_too_many(client: httpx2.Client) -> None:
    answer = client.post(PREDICT, content=b'{"instances": [' + b'"",' * 1_000_000 + b'"a"]}')
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("1,000,001 texts in a request; the limit is 20.")


def test_other_types_models_and_methods(client: httpx2.Client) -> None:
    body = json.dumps({"instances": ["a"]})
    assert client.post(PREDICT, content=body, headers={"Content-Type": "text/csv"}).is_error
    answer = client.post("/v1/models/another:predict", content=b"nonsense")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("There is no model 'another' here")
    assert client.get("/v1/models/another").status_code == 404
    for method, path in (("GET", PREDICT), ("POST", "/v1/models/bundled"), ("POST", "/health")):
        assert client.request(method, path).status_code == 405
    for path in ("/v1/models/bundled:regress", "/v1/models/bundled/metadata"):
        assert client.post(path).json()["error"]


def test_without_a_model_and_at_the_end_it_is_not_ready(
    model: Model, sqlite_log: FeedbackLog
) -> None:
    future: Future[Predictor] = Future()
    service = Service(lambda: future, lambda: sqlite_log)
    with listening(service) as url, httpx2.Client(base_url=url) as client:
        paths = ("/health", "/v1/models/bundled")
        assert [client.get(path).status_code for path in paths] == [503, 503]
        assert client.post(PREDICT, json={"instances": ["a"]}).status_code == 503
        future.set_result(model)
        assert [client.get(path).status_code for path in paths] == [200, 200]
        service.is_stopping = True
        assert [client.get(path).status_code for path in paths] == [503, 503]


@pytest.mark.parametrize("name", TASKS)
def test_tasks(tmp_path: Path, name: str) -> None:
    task = TASKS[name]
    with served(task, tmp_path) as (model, url):
        body = {"instances": [{"text": task.text}], "parameters": dict(task.params)}
        answer = httpx2.post(f"{url}/v1/models/model:predict", json=body, timeout=60)
        (expected,) = model.predict([task.text], task.params)
    (made,) = answer.json()["predictions"]
    assert made == {
        "label": expected.label,
        "score": close(expected.score),
        "output": close(output_to_json(expected.output)),
        "truncated": False,
    }


def test_a_text_that_was_cut_says_so(model: Model, sqlite_log: FeedbackLog) -> None:
    with listening(service_of(model, sqlite_log)) as url:
        body = {"instances": ["word " * 1000, TEXTS[0]]}
        made = httpx2.post(url + PREDICT, json=body, timeout=60).json()["predictions"]
        assert [each["truncated"] for each in made] == [True, False]
