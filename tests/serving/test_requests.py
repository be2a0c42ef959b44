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
