"""Documents that nobody should send to /graphql: each is a sentence, and nothing fails."""

import http.client
import json
import logging
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes

from feedback import FeedbackLog
from model import Model
from serving.errors import FAILED
from serving.graphql.context import MAX_STATISTICS
from serving.service import Service
from tests.helpers.entries import entry, rating
from tests.helpers.graphql import PAGE, PREDICT, asked_of
from tests.helpers.service import listening, service_of
from tests.helpers.until import until

TEXTS = ["The battery lasts two days.", "Nobody answers the phone."]
GRAPHQL_JSON = "application/graphql-response+json"
TWICE = "".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }} " for n in range(80))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{", "Syntax Error"),
        (" ", "Syntax Error"),
        ("{ nothing }", "Cannot query field 'nothing'"),
        ("{ model { name { name } } }", "must not have a selection"),
        ("{ model" * 50 + "}" * 50, "The document is 50 fields deep; the limit is 8."),
        ("{" * 40_000, "Syntax Error"),
        ("{ predictions(filter: " + "[" * 900 + ") }", "nested too deeply"),
        ("{" + "...{" * 240 + "__typename" + "}" * 241, ""),
        ("{ __typename " + "a " * 1000 + "}", "more than 1000 tokens"),
        ("{" + "".join(f" a{n}: __typename" for n in range(11)) + "}", "more than 10 aliases"),
        (f"{{ ...f0 }} {TWICE} fragment f80 on Query {{ a: __typename }}", "more than 10 aliases"),
        ("{ ...f } fragment f on Query { ...g } fragment g on Query { ...f }", "within itself"),
        ("{ ...f }", "Unknown fragment 'f'"),
        ("query a { __typename } query b { __typename }", "Name one in operationName"),
        ("subscription { model { name } }", "subscription operation is not supported"),
        ("fragment f on Query { __typename }", "The document has no operation."),
        ("{ predictions(first: 99999999999) { edges { cursor } } }", "32-bit"),
        ('{ predictions(filter: { day: "x" }) { edges { cursor } } }', "cannot represent a Date"),
        ('{ predictions(filter: { verdict: "up" }) { edges { cursor } } }', "Judged"),
        ("mutation { predict(texts: [1]) { __typename } }", "String cannot represent"),
        ('mutation { rate(predictionId: "x") { id } }', "is required"),
        ("{ __schema" + " { types { fields { type { fields" * 3 + " { name } } } } }" * 9, ""),
    ],
)
def test_a_bad_document_is_refused_before_it_is_executed(
    client: httpx2.Client, document: str, sentence: str
) -> None:
    body = {"query": document}
    answer = client.post("/graphql", json=body)
    assert answer.status_code == 200, "as clients of application/json expect"
    assert list(answer.json()) == ["errors"]
    for error in answer.json()["errors"]:
        assert error["extensions"] == {"code": "INVALID_ARGUMENT", "status": 400}
    assert sentence in answer.json()["errors"][0]["message"]
    answer = client.post("/graphql", json=body, headers={"Accept": GRAPHQL_JSON})
    assert (answer.status_code, answer.headers["content-type"]) == (400, GRAPHQL_JSON)


def test_a_fragment_that_is_spread_twice_each_time_is_measured_once(client: httpx2.Client) -> None:
    document = f"{{ ...f0 }} {TWICE} fragment f80 on Query {{ __typename }}"
    assert asked_of(client, document) == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("document", "variables", "status", "sentence"),
    [
        (PAGE, {"first": 0}, 422, "first is 0; it must be 1 to 100."),
        (PAGE, {"first": -1}, 422, "first is -1"),
        (PAGE, {"first": 1000}, 422, "first is 1000"),
        (PAGE, {"after": "nonsense"}, 422, "after is 'nonsense'; it must be a cursor"),
        (PAGE, {"filter": {"tenth": 10}}, 422, "tenth is 10"),
        (PAGE, {"filter": {"text": "x" * 1001}}, 422, "text has 1,001 characters"),
        (PREDICT, {"texts": []}, 400, "There are no texts"),
        (PREDICT, {"texts": ["a"] * 21}, 413, "21 texts in a request; the limit is 20"),
        (PREDICT, {"texts": ["a"] * 101}, 413, "More than 100 predictions in a document"),
        (PREDICT, {"texts": ["a", "b"], "params": {"top_p": 1}}, 422, "no parameter 'top_p'"),
        (PREDICT, {"texts": ["a", "b"], "params": [1]}, 400, "params must be an object"),
        ("{ a: predictions(first: 60) { edges { cursor } } b: predictions(first: 60) "
         "{ edges { cursor } } }", {}, 413, "More than 100 predictions in a document"),
    ],
)  # fmt: skip
def test_a_field_that_is_refused_is_null(
    client: httpx2.Client, document: str, variables: dict[str, Any], status: int, sentence: str
) -> None:
    body = asked_of(client, document, **variables)
    (error,) = body["errors"]
    assert error["extensions"]["status"] == status
    assert sentence in error["message"]
    assert body["data"][error["path"][0]] is None


def test_many_mutations_are_as_bounded_as_one(client: httpx2.Client) -> None:
    fields = " ".join(f"p{n}: predict(texts: $texts) {{ __typename }}" for n in range(6))
    document = f"mutation ($texts: [String!]!) {{ {fields} }}"
    body = asked_of(client, document, texts=["a"] * 20)
    assert [name for name, made in body["data"].items() if made is None] == ["p5"]
    assert body["errors"][0]["extensions"]["status"] == 413


def test_aliases_repeat_statistics_no_further_than_a_limit(
    log_client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    ask_log = Service.ask_log

    async def noted(service: Service, question: Callable[[FeedbackLog], Any]) -> Any:
        asked.append(question)
        return await ask_log(service, question)

    monkeypatch.setattr(Service, "ask_log", noted)
    all_of_a_model = """fragment All on Insights { counts { up } revisions { modelId } blind { low }
      byChance { unrated } byDay { up } byOutput { leftOut } byTruth { leftOut } confusion { n }
      calibration { n } confidentMistakes { n } agreement { n } }"""
    two = "a: insights { ...All } b: insights { ...All }"
    assert "errors" not in asked_of(log_client, f"{{ {two} }} {all_of_a_model}")
    asked.clear()
    body = asked_of(log_client, f"{{ {two} c: insights {{ ...All }} }} {all_of_a_model}")
    assert [name for name, value in body["data"].items() if value is None] == ["c"]
    assert {error["extensions"]["status"] for error in body["errors"]} == {413}
    assert len(asked) == MAX_STATISTICS


def test_aliases_repeat_ratings_no_further_than_a_limit(
    log_client: httpx2.Client, sqlite_log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated = entry("rated by three")
    sqlite_log.record(rated)
    for reviewer in ("Ada", "Bob", "Cy"):
        sqlite_log.rate(rating(rated, reviewer))
    monkeypatch.setattr("serving.graphql.context.MAX_RATINGS", 5)
    query = "query ($id: ID!) { prediction(id: $id) { ratings { id } again: ratings { id } } }"
    body = asked_of(log_client, query, id=str(rated.prediction.id))
    assert len(body["data"]["prediction"]["ratings"]) == 3
    assert body["data"]["prediction"]["again"] is None
    assert body["errors"][0]["extensions"]["status"] == 413


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 400, "not valid JSON"),
        (b"[" * 5_000_000, 400, "not valid JSON"),
        (b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 100_000, 400, "not valid JSON"),
        (b'{"query": "\xff"}', 400, "not valid JSON"),
        (b'{"query": "\\ud800"}', 400, "not valid JSON"),
        (b'[{"query": "{ __typename }"}]', 400, "The body: "),
        (b"{}", 400, "query: "),
        (b'{"query": null}', 400, "query: "),
        (b'{"query": ""}', 400, "query: "),
        (b'{"query": "{ __typename }", "variables": []}', 400, "variables: "),
        (b'{"query": "{ __typename }", "operationName": 1}', 400, "operationName: "),
        (b'{"query": "{ __typename }", "other": 1}', 400, "other: "),
        (b'{"query": "' + b"a" * 100_001 + b'"}', 400, "at most 100000 characters"),
        (b'{"query": "' + b"a" * 11_000_000 + b'"}', 413, "more than 10,000,000 bytes"),
    ],
)
def test_a_malformed_body_is_a_sentence(
    client: httpx2.Client, body: bytes, status: int, sentence: str
) -> None:
    answer = client.post("/graphql", content=body, headers={"Content-Type": "application/json"})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, sentence in error["message"]) == (status, True), answer.text
    assert error["extensions"]["status"] == status


def test_values_that_json_has_and_graphql_has_not(client: httpx2.Client) -> None:
    for value in (b"NaN", b"Infinity", b"1e999", b"1.5", b'"1"', b"true", b"{}"):
        body = b'{"query": %s, "variables": {"first": %s}}' % (json.dumps(PAGE).encode(), value)
        answer = client.post("/graphql", content=body)
        assert (answer.status_code, list(answer.json())) == (200, ["errors"]), value
    body = b'{"query": %s, "variables": {"texts": ["a", "b"], "params": {"x": NaN}}}'
    answer = client.post("/graphql", content=body % json.dumps(PREDICT).encode())
    assert answer.json()["errors"][0]["extensions"]["status"] == 422


def test_other_types_of_body_are_refused(client: httpx2.Client) -> None:
    for kind in ("application/graphql", "text/plain", "multipart/form-data; boundary=x"):
        headers = {"Content-Type": kind}
        answer = client.post("/graphql", content=b"{ __typename }", headers=headers)
        assert (answer.status_code, list(answer.json())) == (415, ["errors"])


def test_what_nobody_expected_is_masked_and_logged_without_texts(
    log_client: httpx2.Client,
    sqlite_log: FeedbackLog,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(log: FeedbackLog) -> None:
        raise RuntimeError("the cause")

    monkeypatch.setattr(FeedbackLog, "counts", fail)
    query = 'query { insights { words: counts { up } } prediction(id: "private words") { id } }'
    body = asked_of(log_client, query)
    messages = {error["path"][0]: error["message"] for error in body["errors"]}
    assert messages["insights"] == FAILED
    assert "the cause" not in json.dumps(body)
    asked_of(log_client, "query ($a: Int) { predictions(first: $a) { edges } }", a="private words")
    lines = [record for record in caplog.records if record.name.startswith("tryout")]
    failures = [record for record in lines if record.levelno >= logging.ERROR]
    assert len(failures) == 1
    assert "RuntimeError: the cause" in caplog.text, "with its traceback"
    assert failures[0].getMessage() == "A field of a document failed: ['counts']"
    assert "words" not in caplog.text


def test_a_request_is_counted_and_has_its_line(
    log_client: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tryout.requests")
    asked_of(log_client, "{ model { name } }")
    (line,) = (each.getMessage() for each in caplog.records if each.name == "tryout.requests")
    assert " path=/graphql format=graphql status=200 " in line
    counted = 'tryout_requests_total{format="graphql",status="200"} 1.0'
    assert counted in log_client.get("/metrics").text


def test_a_client_that_leaves_cancels_its_texts(
    model: Model, held: threading.Event, sqlite_log: FeedbackLog
) -> None:
    with listening(service_of(model, sqlite_log)) as url:
        assert httpx2.post(f"{url}/graphql", json={"query": "{ __typename }"}).status_code == 200
        model.submit("the first")
        until(lambda: model.queue_depth == 0)
        before = model.counters.cancelled
        connection = http.client.HTTPConnection(str(urlsplit(url).netloc))
        body = json.dumps({"query": PREDICT, "variables": {"texts": TEXTS}})
        connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
        until(lambda: model.queue_depth == len(TEXTS))
        connection.close()
        held.set()
        until(lambda: model.counters.cancelled == before + len(TEXTS))


# --- by chance ------------------------------------------------------------------------------------

SCALARS = {
    "JSON": st.one_of(
        st.integers(-9, 9).map(nodes.Int),
        st.text(max_size=5).map(nodes.String),
        st.just(nodes.Object([])),
        st.just(nodes.List([])),
    ),
    "Date": st.dates().map(lambda day: nodes.String(day.isoformat())),
}


def test_no_document_that_the_schema_allows_fails(client: httpx2.Client) -> None:
    """A mistake in it is a sentence; nothing is INTERNAL."""
    schema = client.get("/graphql").text
    executed: list[bool] = []

    @settings(
        max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(document=from_schema(schema, custom_scalars=SCALARS))
    def answers(document: str) -> None:
        answer = client.post("/graphql", json={"query": document})
        assert answer.status_code == 200, answer.text
        executed.append("data" in answer.json())
        codes = {error["extensions"]["code"] for error in answer.json().get("errors", [])}
        assert codes <= {"INVALID_ARGUMENT", "NOT_FOUND"}, answer.text

    answers()
    assert sum(executed) > len(executed) / 2


TOKENS = [*'{}()[]:$@!"|&=#, \n\\\0é', "...", "query", "mutation", "model", "first", "1", "null"]


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(document=st.lists(st.sampled_from(TOKENS), max_size=30).map("".join))
def test_no_characters_fail(client: httpx2.Client, document: str) -> None:
    answer = client.post("/graphql", json={"query": document})
    assert answer.status_code in (200, 400)
    for error in answer.json().get("errors", []):
        assert error["extensions"]["code"] == "INVALID_ARGUMENT"
