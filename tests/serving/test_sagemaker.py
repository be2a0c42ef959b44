"""SageMaker's requests to a container over a real port, with documented bodies, and refusals.

AWS's own client is in tests/clients.
"""

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import httpx2
import pytest
from pydantic import TypeAdapter

from feedback import FeedbackLog
from model import Model, Predictor
from model.prediction import output_from_json
from serving.bodies import Row
from serving.formats.sagemaker import ErrorBody, PredictionsBody
from serving.service import Service
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.service import listening, service_of

JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
TEXTS = ["I love you", "I like you", 'Nobody answers, said "Ada".\nTwice.', "Müde, 你好 🙂"]


def invoke(
    client: httpx2.Client, body: str | bytes, content_type: str, accept: str | None = None
) -> httpx2.Response:
    """The answer to a body; without `accept` no header of the name is sent."""
    client.headers.pop("accept", None)
    headers = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
    return client.post("/invocations", content=body, headers=headers)


def require_equal(rows: Any, model: Model, texts: list[str]) -> None:
    for row, expected in zip(rows, model.predict(texts), strict=True):
        Row.model_validate(row, strict=True)
        assert row["label"] == expected.label
        assert row["score"] == pytest.approx(expected.score, abs=1e-4)
        assert output_from_json(row["output"]).label == expected.label
        assert row["truncated"] is False


def as_csv(rows: list[list[str]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


def test_ping_is_an_empty_200(client: httpx2.Client) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html"""
    answer = client.get("/ping")
    assert (answer.status_code, answer.content) == (200, b"")


def test_ping_waits_for_the_model_and_ends_with_the_service(
    model: Model, sqlite_log: FeedbackLog
) -> None:
    future: Future[Predictor] = Future()
    service = Service(lambda: future, lambda: sqlite_log)
    with listening(service) as url:
        for expected in ("The model is loading", None, "The service is about to end"):
            answer = httpx2.get(f"{url}/ping")
            if expected:
                assert answer.status_code == 503
                body = ErrorBody.model_validate_json(answer.content, strict=True)
                assert (body.code, body.type) == (503, "ServiceUnavailableException")
                assert body.message.startswith(expected)
                answer = httpx2.post(f"{url}/invocations", json={"inputs": "a"})
                assert answer.status_code == (503 if not future.done() else 200)
            else:
                assert answer.status_code == 200
                service.is_stopping = True
            if not future.done():
                future.set_result(model)


# --- documented requests --------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [None, "*/*", JSON, "application/json, text/csv;q=0.5"])
def test_json_as_hugging_faces_containers_take_it(
    client: httpx2.Client, model: Model, accept: str | None
) -> None:
    """https://huggingface.co/docs/sagemaker/reference/inference-toolkit"""
    body = {"inputs": "This sound track was beautiful! It paints the senery in your mind so well"}
    answer = invoke(client, json.dumps(body), JSON, accept)
    assert answer.headers["content-type"] == JSON
    require_equal(answer.json(), model, [body["inputs"]])
    several = invoke(client, json.dumps({"inputs": TEXTS, "parameters": {}}), JSON, accept)
    TypeAdapter(list[Row]).validate_json(several.content, strict=True)
    require_equal(several.json(), model, TEXTS)


def test_instances(client: httpx2.Client, model: Model) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/blazingtext.html"""
    texts = ["the movie was excellent", "i did not like the plot ."]
    answer = invoke(client, json.dumps({"instances": texts}), JSON)
    PredictionsBody.model_validate_json(answer.content, strict=True)
    require_equal(answer.json()["predictions"], model, texts)
    objects = {"instances": [texts[0], {"inputs": texts[1]}], "parameters": None}
    again = invoke(client, json.dumps(objects), JSON)
    require_equal(again.json()["predictions"], model, texts)


@pytest.mark.parametrize("accept", [None, "*/*", LINES])
def test_json_lines(client: httpx2.Client, model: Model, accept: str | None) -> None:
    """https://github.com/huggingface/notebooks, sagemaker/12_batch_transform_inference"""
    lines = [json.dumps({"inputs": text}) for text in TEXTS[:2]] + list(map(json.dumps, TEXTS[2:]))
    for body in ("\n".join(lines), "\r\n".join(lines) + "\r\n\r\n"):
        answer = invoke(client, body, LINES, accept)
        assert answer.headers["content-type"] == LINES
        assert answer.content.endswith(b"\n")
        require_equal(list(map(json.loads, answer.text.splitlines())), model, TEXTS)
    require_equal(invoke(client, lines[0], LINES, JSON).json(), model, TEXTS[:1])


@pytest.mark.parametrize("accept", [None, "*/*", JSON])
def test_csv(client: httpx2.Client, model: Model, accept: str | None) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html: without a header"""
    body = as_csv([[text] for text in TEXTS])
    for each in (body, body.replace("\r\n", "\n"), f"\ufeff{body}\r\n"):
        answer = invoke(client, each.encode(), f"{CSV}; charset=utf-8", accept)
        assert answer.headers["content-type"] == JSON
        require_equal(answer.json(), model, TEXTS)


@pytest.mark.parametrize("header", [True, False])
def test_csv_gets_csv(client: httpx2.Client, model: Model, header: bool) -> None:
    """The header is that of Hugging Face's containers.

    https://github.com/aws/sagemaker-huggingface-inference-toolkit, tests/unit
    """
    body = "inputs\r\nI love you\r\nI like you" if header else "I love you\r\nI like you"
    answer = invoke(client, body, CSV, CSV)
    assert answer.headers["content-type"] == f"{CSV}; charset=utf-8"
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert answer.text.endswith("\r\n")
    if header:
        assert rows.pop(0) == ["label", "score"]
    predictions = model.predict(TEXTS[:2])
    assert [label for label, _ in rows] == [made.label for made in predictions]
    scores = [made.score for made in predictions]
    assert [float(score) for _, score in rows] == pytest.approx(scores, abs=1e-4)
    lines = invoke(client, body, CSV, LINES)
    assert [json.loads(line)["label"] for line in lines.text.splitlines()] == [
        label for label, _ in rows
    ]


@pytest.fixture(scope="module")
def zero_shot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Model, httpx2.Client]]:
    folder = tmp_path_factory.mktemp("zero-shot")
    yield from served(Model(str(tiny.nli(folder / "model")), device="cpu"), folder)


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Model, httpx2.Client]]:
    folder = tmp_path_factory.mktemp("writer")
    yield from served(Model(str(tiny.gpt2(folder / "model")), device="cpu"), folder)


def served(model: Model, folder: Any) -> Iterator[tuple[Model, httpx2.Client]]:
    model.load()
    log = FeedbackLog(new_sqlite_log(folder / "log.db"))
    with listening(service_of(model, log)) as url, httpx2.Client(base_url=url, timeout=60) as it:
        yield model, it
    model.close()
    log.close()


def test_parameters(zero_shot: tuple[Model, httpx2.Client]) -> None:
    """https://huggingface.co/docs/sagemaker/reference/inference-toolkit, zero-shot"""
    model, client = zero_shot
    params = {"candidate_labels": ["refund", "legal", "faq"], "multi_label": True}
    text = "Hi, I recently bought a device from your company but it is not working!"
    (expected,) = model.predict([text], params)
    body = json.dumps({"inputs": text, "parameters": params | {"hypothesis_template": None}})
    instances = json.dumps({"instances": [text], "parameters": params})
    lines = invoke(client, f"{body}\n{body}", LINES).text.splitlines()
    for row in (
        *invoke(client, body, JSON).json(),
        *invoke(client, instances, JSON).json()["predictions"],
        *map(json.loads, lines),
    ):
        scores = output_from_json(row["output"]).scores
        assert scores == pytest.approx(expected.output.scores, abs=1e-4)
    assert len(lines) == 2
    other = json.dumps({"inputs": text, "parameters": {"candidate_labels": ["a"]}})
    refused = invoke(client, f"{body}\n{other}", LINES)
    assert refused.status_code == 422
    assert "Line 2 has other parameters than the lines before it" in refused.json()["message"]


def test_a_generated_text_is_in_the_output(writer: tuple[Model, httpx2.Client]) -> None:
    model, client = writer
    params = {"max_new_tokens": 8}
    (row,) = invoke(client, json.dumps({"inputs": "Once", "parameters": params}), JSON).json()
    assert (row["label"], row["score"]) == ("", None)
    assert output_from_json(row["output"]) == model.predict(["Once"], params)[0].output
    refused = invoke(client, "Once", CSV, CSV)
    assert refused.status_code == 422
    assert "no label and score for CSV. Accept application/json" in refused.json()["message"]


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "status", "sentence"),
    [
        (b"{", JSON, 400, "not valid JSON"),
        (b"[" * 5_000_000, JSON, 400, "not valid JSON"),
        (b'{"inputs": "a", "parameters": ' + b'{"a":' * 100_000, JSON, 400, "not valid JSON"),
        (b'{"inputs": "\xff"}', JSON, 400, "not valid JSON"),
        (b"{}", JSON, 400, "inputs: Field required"),
        (b"[]", JSON, 400, "The body: "),
        (b'"a"', JSON, 400, "The body: "),
        (b'{"inputs": []}', JSON, 400, "inputs: List"),
        (b'{"inputs": [1]}', JSON, 400, "inputs.0: "),
        (b'{"inputs": "a", "instances": ["b"]}', JSON, 400, "inputs: "),
        (b'{"inputs": [' + b"1," * 3_000_000 + b"1]}", JSON, 400, "inputs.0: "),
        (b'{"instances": [' + b"1," * 3_000_000 + b"1]}", JSON, 400, "instances.0"),
        (b'{"instances": []}', JSON, 400, "instances: "),
        (b'{"instances": [{"text": "a"}]}', JSON, 400, "instances.0"),
        (b'{"instances": ["a"], "configuration": {"k": 1}}', JSON, 400, "configuration: "),
        (b'{"inputs": "a", "parameters": {"top_p": NaN}}', JSON, 422, "no parameter 'top_p'"),
        (b'{"inputs": ["a", " "]}', JSON, 422, "Text 2 of 2: There is no text"),
        (b'{"inputs": "' + b"a" * 501 + b'"}', JSON, 422, "501 characters and the limit is 500"),
        (json.dumps({"inputs": ["a"] * 21}).encode(), JSON, 413, "21 texts in a request"),
        (b'{"inputs": "' + b"a" * 11_000_000 + b'"}', JSON, 413, "more than 10,000,000 bytes"),
        (b"", JSON, 400, "not valid JSON"),
        (b'"a"\n{"inputs": 1}', LINES, 400, "Line 2: "),
        (b'"a"\n\n{', LINES, 400, "Line 3: The body is not valid JSON"),
        (b'["a"', LINES, 400, "Line 1: "),
        (b'["a"]', LINES, 400, "Line 1: "),
        (b'"a"\n"\xff"', LINES, 400, "Line 2: "),
        (b'"a"\n" "', LINES, 422, "Text 2 of 2: There is no text"),
        (b"\n\n", LINES, 400, "There are no texts"),
        (b'"a"\n' * 3_000_000, LINES, 413, "more than 10,000,000 bytes"),
        (b'"a"\n' * 2_000_000, LINES, 413, "more than 20 texts"),
        (b"a,b\n", CSV, 400, "Line 1 of the CSV has 2 columns"),
        (b'a\n"b\n', CSV, 400, "is not CSV"),
        (b'a\n"b"c\n', CSV, 400, "Line 2 is not CSV"),
        (b"a\n\xff\n", CSV, 400, "The CSV is not UTF-8: invalid start byte at byte 2"),
        (b"inputs\n", CSV, 400, "There are no texts"),
        (b"", CSV, 400, "There are no texts"),
        (b'a\n" "\n', CSV, 422, "Text 2 of 2: There is no text"),
        (b"x" * 200_000, CSV, 422, "The text has 200,000 characters and the limit is"),
        (b"a\n" * 2_000_000, CSV, 413, "more than 20 texts"),
        (b"inputs\n" + b"a\n" * 21, CSV, 413, "more than 20 texts"),
        (b"a", "application/x-npy", 415, "Send Content-Type: application/json, application/jsonl"),
        (b"a", "text/plain", 415, "'text/plain'"),
    ],
)
def test_a_request_that_cannot_be(
    client: httpx2.Client, body: bytes, content_type: str, status: int, sentence: str
) -> None:
    answer = invoke(client, body, content_type)
    error = ErrorBody.model_validate_json(answer.content, strict=True)
    assert (answer.status_code, error.code, sentence in error.message) == (status, status, True), (
        error
    )
    assert error.type.endswith("Exception")


def test_as_many_texts_as_the_limit_are_taken(client: httpx2.Client) -> None:
    for body, content_type in (("inputs\n" + "a\n" * 20, CSV), ('"a"\n' * 20, LINES)):
        assert len(invoke(client, body, content_type, JSON).json()) == 20


def test_an_answer_that_cannot_be(client: httpx2.Client) -> None:
    answer = invoke(client, '{"inputs": "a"}', JSON, "image/png")
    assert answer.status_code == 415
    assert answer.json()["message"].startswith("Accept is 'image/png'. Answers are application/j")


def test_a_method_that_a_path_does_not_take(client: httpx2.Client) -> None:
    answer = client.get("/invocations")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json() == {
        "code": 405,
        "type": "MethodNotAllowedException",
        "message": "/invocations does not take GET. Use POST.",
    }
