"""Common to the requests of all formats: nulls, counts, and the line in the log."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from feedback import FeedbackLog
from serving.access import new_key
from tests.helpers.predictor import FakePredictor
from tests.helpers.service import listening, service_of
from tests.helpers.until import until

TEXT = "a good day"
TENSOR = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [TEXT]}
TOKEN, KEY = new_key("shop", ["predict"])
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def client(sqlite_log: FeedbackLog) -> Iterator[httpx2.Client]:
    fake = FakePredictor()
    fake.load()
    service = service_of(fake, sqlite_log)
    with (
        listening(service, keys=[KEY]) as url,
        httpx2.Client(base_url=url, headers=HEADERS) as opened,
    ):
        yield opened


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/api/predictions", {"texts": [TEXT]}, "params"),
        ("/api/fits", {"texts": [TEXT]}, "params"),
        ("/api/predict", {"inputs": TEXT}, "parameters"),
        ("/v1/models/fake:predict", {"instances": [TEXT]}, "parameters"),
        ("/v2/models/fake/infer", {"inputs": [TENSOR]}, "parameters"),
        ("/invocations", {"inputs": TEXT}, "parameters"),
        ("/score", {"input_data": [TEXT]}, "params"),
    ],
)
def test_a_parameter_that_is_null_is_left_out(
    client: httpx2.Client, path: str, body: dict[str, Any], name: str
) -> None:
    for params in (None, {"t": None}):
        answer = client.post(path, json=body | {name: params})
        assert answer.status_code == 200, answer.text
    assert client.post(path, json=body | {name: {"t": 1}}).status_code in (
        (200,) if path == "/api/fits" else (422,)  # the fake predictor counts without parameters
    )


NO_TEXT = "Input should be a valid string. "


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/api/predict", {"inputs": []}, "inputs: List should have at least 1 item"),
        ("/api/predict", {"inputs": [TEXT, 1]}, f"inputs.1: {NO_TEXT}"),
        ("/api/predict", {"inputs": {"text": TEXT}}, f"inputs: {NO_TEXT}"),
        ("/invocations", {"inputs": [TEXT, 1]}, f"inputs.1: {NO_TEXT}"),
        ("/invocations", {"instances": [TEXT, 1]}, f"instances.1: {NO_TEXT}"),
        ("/invocations", {"instances": [{"text": TEXT}]}, "instances.0.inputs: Field required"),
        ("/invocations", [TEXT], "The body: Input should be an object"),
        ("/v2/models/fake/infer", {"inputs": [TENSOR | {"data": [1]}]}, "inputs.0.data.0: "),
        ("/v2/models/fake/infer", {"inputs": [TENSOR | {"data": [[1]]}]}, "inputs.0.data.0.0: "),
        ("/v1/completions", {"model": "fake", "prompt": [1]}, f"prompt.0: {NO_TEXT}"),
        ("/v1/models/fake:predict", {"instances": [TEXT, 1]}, f"instances.1: {NO_TEXT}"),
        ("/score", {"input_data": [TEXT, 1]}, f"input_data.1: {NO_TEXT}"),
    ],
)
def test_a_mistake_is_told_at_its_place_in_the_body(
    client: httpx2.Client, path: str, body: Any, sentence: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    told = answer.json().get("message") or answer.json()["error"]
    told = told if isinstance(told, str) else told["message"]
    assert told.startswith(sentence)


def test_a_line_that_is_no_text_is_told_by_its_number(client: httpx2.Client) -> None:
    for line, reason in ((b"1", "The body: Input should be a valid string"), (b"{}", "inputs: ")):
        answer = client.post(
            "/invocations",
            content=b'"a good day"\n' + line,
            headers={"Content-Type": "application/jsonlines"},
        )
        assert answer.status_code == 400
        assert answer.json()["message"].startswith(f"Line 2: {reason}")


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_body_that_says_that_it_is_not_compressed_is_read(
    client: httpx2.Client, encoding: str
) -> None:
    headers = {"Content-Encoding": encoding}
    answer = client.post("/api/predictions", json={"texts": [TEXT]}, headers=headers)
    assert answer.status_code == 200, answer.text


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of requests; other loggers may have written, too."""
    return [record.getMessage() for record in caplog.records if record.name == "tryout.requests"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_has_a_line_with_the_name_of_its_key(
    client: httpx2.Client, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    caplog.set_level(logging.INFO, logger="tryout.requests")
    body = {"texts": [TEXT], "stream": stream}
    assert client.post("/api/predictions", json=body).status_code == 200
    refused = client.post("/api/predictions", json=body, headers={"Authorization": "Bearer no"})
    assert refused.status_code == 401
    until(lambda: len(lines(caplog)) == 2)
    first, second = lines(caplog)
    assert " path=/api/predictions format=native status=200 " in first
    assert first.endswith(" trace=- key=shop")
    assert second.endswith(" trace=- key=-")
    assert TEXT not in caplog.text
