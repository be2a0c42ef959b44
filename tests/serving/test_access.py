"""Keys, scopes, rates and origins, over a real port."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from feedback import FeedbackLog
from serving.access import Access, new_key
from serving.errors import RateLimited
from tests.helpers.command import run_here
from tests.helpers.predictor import FakePredictor
from tests.helpers.service import listening, service_of

BODY = {"texts": ["a good day"]}
JUDGEMENT = {"verdict": "up", "reviewer": "Ada"}


@contextmanager
def client_of(log: FeedbackLog, **routes: Any) -> Iterator[httpx2.Client]:
    fake = FakePredictor()
    fake.load()
    with listening(service_of(fake, log), **routes) as url, httpx2.Client(base_url=url) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_key_opens_what_its_scopes_name(sqlite_log: FeedbackLog) -> None:
    reader, for_reader = new_key("reader", ["predict"])
    rater, for_rater = new_key("rater", ["predict", "rate"])
    with client_of(sqlite_log, keys=[for_reader, for_rater]) as client:
        made = client.post("/api/predictions", json=BODY, headers=bearer(reader))
        assert made.status_code == 200
        path = f"/api/predictions/{made.json()['predictions'][0]['id']}/ratings"
        refused = client.post(path, json=JUDGEMENT, headers=bearer(reader))
        assert refused.status_code == 403
        assert "'reader' may predict; this needs 'rate'" in refused.json()["error"]
        assert client.post(path, json=JUDGEMENT, headers=bearer(rater)).status_code == 201


@pytest.mark.parametrize("header", [b"", b"Bearer wrong", b"Bearer", b"Basic dTpw", b"Bearer \xff"])
def test_without_a_valid_key_nothing_is_read(sqlite_log: FeedbackLog, header: bytes) -> None:
    headers = {b"Authorization": header} if header else {}
    _, entry = new_key("somebody", ["predict"])
    with client_of(sqlite_log, keys=[entry]) as client:
        for path in ("/api/predictions", "/api/predict"):
            answer = client.post(path, content=b"{", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "key" in answer.json()["error"]
        assert client.get("/api/model", headers=headers).status_code == 401
        assert client.get("/api/live").status_code == 200, "probes are open"
        assert client.get("/api/ready").status_code == 200


def test_exports_and_metrics_can_be_closed(sqlite_log: FeedbackLog) -> None:
    token, entry = new_key("owner", ["export"])
    other, for_other = new_key("other", ["predict"])
    closed = {"open_exports": False, "open_metrics": False}
    for keys in ([], [entry, for_other]):
        with client_of(sqlite_log, keys=keys, **closed) as client:
            for path in ("/metrics", "/api/export/ratings.csv"):
                assert client.get(path).status_code == 401
                if keys:
                    assert client.get(path, headers=bearer(other)).status_code == 403
                    assert client.get(path, headers=bearer(token)).status_code == 200
    with client_of(sqlite_log, keys=[entry]) as client:
        assert client.get("/metrics").status_code == 200, "open unless closed"
        assert client.get("/api/export/predictions.csv").status_code == 401, "keys close the log"
    with client_of(sqlite_log) as client:
        assert client.get("/api/export/predictions.csv").status_code == 200


def test_the_rate_is_that_of_a_key_or_an_address(sqlite_log: FeedbackLog) -> None:
    token, entry = new_key("one", ["predict"])
    another, for_another = new_key("two", ["predict"])
    with client_of(sqlite_log, keys=[entry, for_another], requests_per_minute=2) as client:
        statuses = [
            client.post("/api/predictions", json=BODY, headers=bearer(token)).status_code
            for _ in range(3)
        ]
        assert statuses == [200, 200, 429]
        answer = client.post("/api/predictions", content=b"{", headers=bearer(token))
        assert "More than 2 requests a minute" in answer.json()["error"], "before it is read"
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        assert client.get("/api/model", headers=bearer(another)).status_code == 200
    with client_of(sqlite_log, requests_per_minute=1) as client:
        assert [client.get("/api/model").status_code for _ in range(2)] == [200, 429]


def test_requests_come_back_at_an_even_pace() -> None:
    now_s = 0.0
    access = Access(requests_per_minute=60, clock=lambda: now_s)
    for _ in range(60):
        access.admit("", "address", "predict")
    with pytest.raises(RateLimited) as raised:
        access.admit("", "address", "predict")
    assert raised.value.wait_s == pytest.approx(1.0)
    now_s = 1.5
    access.admit("", "address", "predict")
    with pytest.raises(RateLimited):
        access.admit("", "address", "predict")


def test_a_page_of_another_origin_may_ask_only_if_it_is_named(sqlite_log: FeedbackLog) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    with client_of(sqlite_log) as client:
        answer = client.options("/api/predictions", headers=asked)
        assert "access-control-allow-origin" not in answer.headers
    token, entry = new_key("shop", ["predict"])
    with client_of(sqlite_log, cors=["https://shop.example"], keys=[entry]) as client:
        answer = client.options("/api/predictions", headers=asked)
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        answer = client.post(
            "/api/predictions", json=BODY, headers=bearer(token) | {"Origin": asked["Origin"]}
        )
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        other = asked | {"Origin": "https://other.example"}
        answer = client.options("/api/predictions", headers=other)
        assert "access-control-allow-origin" not in answer.headers


def test_the_command_makes_a_key_that_its_entry_knows() -> None:
    ran = run_here("serving.access", "new", "a client", "--scope", "predict", "--scope", "rate")
    assert ran.code == 0
    token = next(line.strip() for line in ran.out.split("\n") if line.strip().startswith("tryout_"))
    entry = json.loads(ran.out.strip().split("\n")[-1])
    assert token not in json.dumps(entry)
    access = Access([entry])
    assert access.admit(f"Bearer {token}", "", "rate") == "a client"


def test_callers_that_are_long_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.access.MAX_CALLERS", 10)
    access = Access(requests_per_minute=1)
    for number in range(100):
        access.admit("", f"address {number}", "predict")
    assert len(access._left) == 10
