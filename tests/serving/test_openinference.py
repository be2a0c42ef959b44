"""The Open Inference Protocol over a real port: tensors as JSON and binary, and refusals.

tests/clients asks the same with clients that we did not write.
"""

import json
import struct
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx2
import pytest

from feedback import FeedbackLog
from model import Model, Predictor
from model.prediction import output_to_json
from serving.errors import Refused
from serving.service import Service
from serving.tensors import model_params
from tests.helpers.service import listening, service_of
from tests.helpers.tasks import TASKS, close, served
from tests.helpers.tensors import as_bytes, read

INFER = "/v2/models/bundled/infer"
HEADER = "Inference-Header-Content-Length"
TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "Müde, 你好 🙂"]


def request(texts: Sequence[Any], **changes: Any) -> dict[str, Any]:
    """The JSON of a request; `changes` are of its input."""
    given = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}
    return {"inputs": [given | changes]}


def binary(
    raw: bytes, *, count: int = 1, size: int | None = None, length: str = "", **changes: Any
) -> tuple[bytes, dict[str, str]]:
    """The body and the headers of a binary request; `size` and `length` may lie."""
    stated = {"binary_data_size": len(raw) if size is None else size}
    body = request([], shape=[count], parameters=stated) | changes
    body["inputs"][0].pop("data")
    head = json.dumps(body).encode()
    return head + raw, {HEADER: length or str(len(head))}


def columns(answer: httpx2.Response) -> dict[str, list[Any]]:
    """The values of each output, of JSON or binary."""
    assert answer.status_code == 200, answer.text
    length = int(answer.headers.get(HEADER, len(answer.content)))
    head, raw = json.loads(answer.content[:length]), answer.content[length:]
    values = {}
    for output in head["outputs"]:
        (count,) = output["shape"]
        if size := output.get("parameters", {}).get("binary_data_size"):
            part, raw = raw[:size], raw[size:]
            values[output["name"]] = read(output["datatype"], part, count)
        else:
            values[output["name"]] = output["data"]
        assert len(values[output["name"]]) == count
    assert raw == b""
    return values


def expect(got: dict[str, list[Any]], model: Model, texts: Sequence[str]) -> None:
    made = model.predict(texts)
    assert got["label"] == [each.label for each in made]
    assert got["score"] == pytest.approx([each.score for each in made], abs=1e-4)
    for whole, each in zip(got["output"], made, strict=True):
        assert [item["label"] for item in json.loads(whole)] == [
            item["label"] for item in output_to_json(each.output)
        ]


@pytest.mark.parametrize("end", ["", "/"])
def test_the_server_and_the_model_are_described(
    client: httpx2.Client, model: Model, end: str
) -> None:
    revision = model.info.revision
    assert client.get("/v2" + end).json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live" + end).json() == {"live": True}
    assert client.get("/v2/health/ready" + end).json() == {"ready": True}
    for path in ("/v2/models/bundled", f"/v2/models/bundled/versions/{revision}"):
        assert client.get(f"{path}{end}").json() == {
            "name": "bundled",
            "versions": [revision],
            "platform": "tryout_torch",
            "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
            "outputs": [
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
                {"name": "score", "datatype": "FP64", "shape": [-1]},
                {"name": "output", "datatype": "BYTES", "shape": [-1]},
            ],
        }
        assert client.get(f"{path}/ready{end}").json() == {"name": "bundled", "ready": True}
        assert client.post(f"{path}/infer{end}", json=request(TEXTS)).status_code == 200


def test_texts_as_json(client: httpx2.Client, model: Model) -> None:
    nested = [[text] for text in TEXTS]
    for body in (
        request(TEXTS),
        request(TEXTS, shape=[3, 1]),
        request(nested, shape=[3, 1]),
        request(TEXTS) | {"model_name": "bundled", "model_version": None, "parameters": None},
    ):
        expect(columns(client.post(INFER, json=body)), model, TEXTS)


def test_texts_as_bytes(client: httpx2.Client, model: Model) -> None:
    raw = as_bytes(*(text.encode() for text in TEXTS))
    for more in (
        {"Content-Type": "application/octet-stream"},
        {"Content-Type": "application/json"},
        {},
    ):
        body, headers = binary(raw, count=3, parameters={"binary_data_output": True})
        answer = client.post(INFER, content=body, headers=headers | more)
        assert answer.headers["content-type"] == "application/octet-stream"
        expect(columns(answer), model, TEXTS)


def test_an_output_says_for_itself_whether_it_is_binary(client: httpx2.Client) -> None:
    outputs = [
        {"name": "score", "parameters": {"binary_data": True}},
        {"name": "label", "parameters": {"binary_data": False}},
    ]
    body = request(TEXTS) | {"outputs": outputs, "id": "a-7", "parameters": {"priority": 3}}
    answer = client.post(INFER, json=body)
    got = columns(answer)
    assert list(got) == ["score", "label"]
    head = json.loads(answer.content[: int(answer.headers[HEADER])])
    assert head["id"] == "a-7"
    assert head["outputs"][0]["parameters"] == {"binary_data_size": 24}
    assert head["outputs"][1]["data"] == got["label"]


def test_a_bad_text_fails_alone(client: httpx2.Client) -> None:
    texts = [TEXTS[0], " ", "x" * 501]
    for parameters in ({}, {"binary_data_output": True}):
        answer = client.post(INFER, json=request(texts) | {"parameters": parameters})
        head = json.loads(answer.content[: int(answer.headers.get(HEADER, 100_000))])
        errors = json.loads(head["parameters"]["errors"])
        assert list(errors) == ["1", "2"]
        assert errors["1"].startswith("There is no text to predict")
        assert "501 characters and the limit is 500" in errors["2"]
        got = columns(answer)
        assert got["label"][0]
        assert (got["label"][1:], got["score"][1:]) == (["", ""], [0.0, 0.0])
        assert got["output"][1:] == ["", ""]


def test_a_text_that_was_cut_is_named(model: Model, sqlite_log: FeedbackLog) -> None:
    with listening(service_of(model, sqlite_log)) as url:
        texts = ["word " * 1000, TEXTS[0], "word " * 1000]
        answer = httpx2.post(url + INFER, json=request(texts), timeout=60).json()
        assert answer["parameters"] == {"truncated": "[0,2]"}
        assert "parameters" not in httpx2.post(url + INFER, json=request(TEXTS)).json()


def test_if_all_texts_are_bad_the_request_is(client: httpx2.Client) -> None:
    for texts in ([" "], [" ", "x" * 501]):
        answer = client.post(INFER, json=request(texts))
        assert answer.status_code == 422
        assert "There is no text to predict" in answer.json()["error"]


def test_parameters_are_those_of_the_model_without_those_of_the_protocol() -> None:
    given = {"top_k": 2, "timeout": 2_000_000, "priority": 1, "sequence_id": 7}
    assert model_params(given) == ({"top_k": 2}, 2.0)
    assert model_params({"timeout": 0}) == ({}, float("inf"))
    for wrong in (-1, 1.5, True, "1", 10**400):
        with pytest.raises(Refused, match="microseconds"):
            model_params({"timeout": wrong})


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (request(["a"], name="texts"), 422, "no input 'texts'. The input is 'text'"),
        (request(["a"], datatype="FP32"), 422, "datatype of 'text' is 'FP32'. Send BYTES."),
        (request(["a"], shape=[]), 422, "shape of 'text' is []. Send [n] or [n, 1]."),
        (request(["a"], shape=[1, 2]), 422, "shape of 'text' is [1, 2]"),
        (request(["a"], shape=[2]), 422, "has 1 texts, and its shape is [2]"),
        (request(["a"], shape=[-1]), 400, "inputs.0.shape.0: "),
        (request(["a"], shape=[True]), 400, "inputs.0.shape.0: "),
        (request(["a"], shape=[10**30]), 400, "inputs.0.shape.0: "),
        (request([["a"]]), 422, "is nested, and its shape [1] is not"),
        (request([["a", "b"]], shape=[1, 1]), 400, "inputs.0.data.0"),
        (request([1]), 400, "inputs.0.data.0"),
        (request([]), 400, "There are no texts. Send one at least."),
        (request(["a"] * 21), 413, "21 texts in a request; the limit is 20"),
        (request([], shape=[10**15]), 413, "texts in a request; the limit is 20"),
        (request(["a"], data=None), 422, "'text' has no data"),
        (request(["a"], parameters={"binary_data_size": 5}), 422, "both data and binary_data_size"),
        (request(["a"], parameters={"shared_memory_region": "x"}), 400, "shared_memory_region: "),
        ({"inputs": []}, 400, "inputs: "),
        ({"inputs": request(["a"])["inputs"] * 2}, 400, "inputs: "),
        (request(["a"]) | {"more": 1}, 400, "more: "),
        (request(["a"]) | {"id": 1}, 400, "id: "),
        (request(["a"]) | {"outputs": [{"name": "logits"}]}, 422, "no output 'logits'"),
        (
            request(["a"]) | {"outputs": [{"name": "score"}, {"name": "score"}]},
            422,
            "'score' is asked for twice",
        ),
        (request(["a"]) | {"outputs": [{"name": "label"}] * 4}, 400, "outputs: "),
        (
            request(["a"]) | {"outputs": [{"name": "label", "parameters": {"classification": 2}}]},
            400,
            "classification: ",
        ),
        (request(["a"]) | {"parameters": {"top_p": 1}}, 422, "no parameter 'top_p'"),
        (request(["a"]) | {"parameters": {"timeout": "soon"}}, 422, "timeout is 'soon'"),
        (request(["a"]) | {"model_name": "another"}, 404, "no model 'another'"),
        (
            request(["a"]) | {"model_name": "bundled", "model_version": "0"},
            404,
            "no version '0'",
        ),
    ],
)
def test_a_request_that_is_wrong(
    client: httpx2.Client, body: object, status: int, sentence: str
) -> None:
    answer = client.post(INFER, json=body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (binary(as_bytes(b"a"), length="9999"), 400, "is 9,999, and the body has"),
        (binary(as_bytes(b"a"), length="-1"), 400, f"{HEADER} is '-1'"),
        (binary(as_bytes(b"a"), length="many"), 400, f"{HEADER} is 'many'"),
        (binary(as_bytes(b"a"), length="9" * 500), 400, f"{HEADER} is '999"),
        (binary(as_bytes(b"a"), length="0"), 400, "not valid JSON"),
        (binary(as_bytes(b"a"), length="20"), 400, "not valid JSON"),
        (binary(as_bytes(b"a"), size=9), 422, "is 9, and 5 bytes follow the JSON"),
        (binary(as_bytes(b"a"), size=0), 422, "is 0, and 5 bytes follow the JSON"),
        (binary(as_bytes(b"a"), size=-5), 400, "binary_data_size: "),
        (binary(as_bytes(b"a"), count=2), 400, "end before text 2 of 2"),
        (binary(b""), 400, "end before text 1 of 1"),
        (binary(b"\x01\x00"), 400, "end before text 1 of 1"),
        (binary(as_bytes(b"a") + b"\x00"), 400, "go on for 1 bytes after text 1"),
        (binary(struct.pack("<I", 2**32 - 1) + b"a"), 400, "4,294,967,295 bytes by its length; 1"),
        (binary(as_bytes(b"a", b"\xff"), count=2), 400, "Text 2 of 2 is not UTF-8: byte 0 is 0xff"),
        (binary(as_bytes(b"\xed\xa0\x80")), 400, "is not UTF-8"),
        (binary(as_bytes(*[b""] * 100_000), count=100_000), 413, "the limit is 20"),
        ((json.dumps(request(["a"])).encode() + b"more", {}), 400, "not valid JSON"),
        ((b"[" * 5_000_000, {}), 400, "not valid JSON"),
        ((b"{", {}), 400, "not valid JSON"),
        ((b"", {}), 400, "not valid JSON"),
        ((json.dumps(request([1])).encode().replace(b"1", b"NaN", 1), {}), 400, "inputs.0.shape"),
        (
            (
                json.dumps(request([])).encode().replace(b"[]", b"[" + b"1," * 3_000_000 + b"1]"),
                {},
            ),
            400,
            "inputs.0.data.0",
        ),
        ((b'{"inputs": ["\xff"]}', {}), 400, "not valid JSON"),
    ],
)
def test_bytes_that_lie(
    client: httpx2.Client,
    content: tuple[bytes, dict[str, str]],
    status: int,
    sentence: str,
) -> None:
    body, headers = content
    answer = client.post(INFER, content=body, headers=headers)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert client.post(INFER, json=request(["a"])).status_code == 200


def test_bytes_after_the_json_that_no_input_has(client: httpx2.Client) -> None:
    head = json.dumps(request(["a"])).encode()
    answer = client.post(INFER, content=head + b"more", headers={HEADER: str(len(head))})
    assert answer.status_code == 422
    assert "There are 4 bytes after the JSON" in answer.json()["error"]


def test_other_types_models_and_methods(client: httpx2.Client) -> None:
    body = json.dumps(request(["a"]))
    for headers in ({"Content-Type": "text/csv"}, {"Content-Encoding": "gzip"}):
        assert client.post(INFER, content=body, headers=headers).status_code == 415
    for path in ("/v2/models/another", "/v2/models/another/ready", "/v2/models/bundled/versions/0"):
        answer = client.get(path)
        assert (answer.status_code, list(answer.json())) == (404, ["error"])
    answer = client.post("/v2/models/another/infer", content=b"nonsense")
    assert "no model 'another'" in answer.json()["error"]
    assert client.get(INFER).status_code == 405
    assert client.post("/v2/health/ready").json() == {
        "error": "/v2/health/ready does not take POST. Use GET."
    }


def test_without_a_model_and_at_the_end_it_is_not_ready(
    model: Model, sqlite_log: FeedbackLog
) -> None:
    future: Future[Predictor] = Future()
    service = Service(lambda: future, lambda: sqlite_log)
    with listening(service) as url, httpx2.Client(base_url=url) as client:
        paths = ("/v2/health/ready", "/v2/models/bundled/ready", "/v2/models/bundled")
        for path in paths:
            assert client.get(path).status_code == 503
        assert client.post(INFER, json=request(["a"])).status_code == 503
        assert client.get("/v2/health/live").status_code == 200
        future.set_result(model)
        assert [client.get(path).status_code for path in paths] == [200, 200, 200]
        service.is_stopping = True
        assert [client.get(path).status_code for path in paths] == [503, 503, 200]


@pytest.mark.parametrize("name", TASKS)
def test_tasks(tmp_path: Path, name: str) -> None:
    task = TASKS[name]
    with served(task, tmp_path) as (model, url):
        body = request([task.text]) | {"parameters": dict(task.params)}
        got = columns(httpx2.post(f"{url}/v2/models/model/infer", json=body, timeout=60))
        (expected,) = model.predict([task.text], task.params)
    assert got["label"] == [expected.label]
    assert got["score"] == pytest.approx([expected.score or 0.0], abs=1e-4)
    assert json.loads(got["output"][0]) == close(output_to_json(expected.output))
