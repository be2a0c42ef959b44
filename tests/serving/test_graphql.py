"""GraphQL over a real port: queries, mutations, rights, and the packages that it needs."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import sqlalchemy as sa

from feedback import FeedbackLog
from model import Model
from serving.access import new_key
from settings import ROOT
from tests.helpers.entries import entry, rating
from tests.helpers.graphql import PAGE, PREDICT, asked_of
from tests.helpers.predictor import FakePredictor
from tests.helpers.service import listening, service_of
from tests.helpers.until import until

TEXTS = ["The battery lasts two days.", "Nobody answers the phone."]
RATE = """mutation ($id: ID!, $verdict: Verdict!, $reviewer: String!, $correction: JSON) {
  rate(predictionId: $id, verdict: $verdict, reviewer: $reviewer, correction: $correction,
       comment: "no") { id predictionId reviewer verdict correction comment }
}"""

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(client: httpx2.Client) -> Ask:
    """The data of the answer to a document that has no errors."""

    def data(document: str, **variables: Any) -> dict[str, Any]:
        body = asked_of(client, document, **variables)
        assert list(body) == ["data"], body
        answered: dict[str, Any] = body["data"]
        return answered

    return data


# --- answers --------------------------------------------------------------------------------------


def test_predictions_are_those_of_the_model_and_are_stored_soon(model: Model, ask: Ask) -> None:
    made = ask(PREDICT, texts=[*TEXTS, " "])["predict"]
    for prediction, expected in zip(made[:2], model.predict(TEXTS), strict=True):
        assert prediction["label"] == expected.label
        assert prediction["score"] == pytest.approx(expected.score, abs=1e-4)
        assert len(prediction["output"]) == len(model.info.labels)
        assert prediction["stored"] is False
    assert made[2] == {
        "message": "There is no text to predict. Type or paste some.",
        "code": "INVALID_ARGUMENT",
        "status": 422,
    }
    assert ask(PREDICT, texts=[" "])["predict"] == [made[2]], "alone it is the same"
    query = "query ($id: ID!) { prediction(id: $id) { id input stored source ratings { id } } }"
    until(lambda: ask(query, id=made[0]["id"])["prediction"]["stored"])
    found = ask(query, id=made[0]["id"])["prediction"]
    assert (found["input"], found["source"], found["ratings"]) == (TEXTS[0], "api", [])


@pytest.mark.parametrize("way", ["argument", "header"])
def test_texts_are_not_stored_for_who_asks_so(client: httpx2.Client, way: str) -> None:
    variables = {"texts": TEXTS[:1]} | ({"log": False} if way == "argument" else {})
    headers = {"X-Tryout-Log": "no"} if way == "header" else {}
    body = {"query": PREDICT, "variables": variables}
    made = client.post("/graphql", json=body, headers=headers).json()["data"]["predict"][0]
    assert client.get(f"/api/predictions/{made['id']}").status_code == 404


def test_a_rating_is_an_ordinary_rating(client: httpx2.Client, ask: Ask) -> None:
    made = ask(PREDICT, texts=TEXTS[:1])["predict"][0]
    wrong = made["output"][1]["label"]
    values = {"id": made["id"], "verdict": "down", "reviewer": " Ada ", "correction": wrong}
    rated = ask(RATE, **values)["rate"]  # at once: the prediction may still be on its way
    assert rated | {"id": ""} == {
        "id": "",
        "predictionId": made["id"],
        "reviewer": "Ada",
        "verdict": "down",
        "correction": wrong,
        "comment": "no",
    }
    assert ask(RATE, **values)["rate"] == rated, "a repeated rating is the same"
    down = ask(PAGE, filter={"verdict": "down", "text": TEXTS[0][5:9]})["predictions"]
    assert down["edges"][0]["node"]["ratings"] == [{"reviewer": "Ada", "verdict": "down"}]
    for changes, status, sentence in (
        ({"reviewer": "anonymous-1"}, 422, "must be a name"),
        ({"reviewer": ""}, 400, "reviewer: "),
        ({"verdict": "up"}, 422, "goes with the verdict"),
        ({"correction": "x"}, 422, "one of its labels"),
        ({"id": str(uuid4())}, 404, "There is no prediction"),
        ({"id": "nonsense"}, 404, "There is no prediction 'nonsense'"),
    ):
        (error,) = asked_of(client, RATE, **values | changes)["errors"]
        assert (error["extensions"]["status"], sentence in error["message"]) == (status, True)
        assert error["path"] == ["rate"]


def test_the_facts_of_the_model(model: Model, ask: Ask) -> None:
    facts = ask("{ model { name id revision labels generates limits { maxChars } } }")["model"]
    assert facts == {
        "name": "bundled",
        "id": model.info.id,
        "revision": model.info.revision,
        "labels": list(model.info.labels),
        "generates": False,
        "limits": {"maxChars": 500},
    }


def test_pages_stay_as_predictions_come_in(
    log_client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    entries = [entry(f"text {number}") for number in range(5)]
    for stored in entries:
        sqlite_log.record(stored)
        for reviewer in ("Ada", "Bob"):
            sqlite_log.rate(rating(stored, reviewer))
    seen: list[str] = []
    info: dict[str, Any] = {"endCursor": None, "hasNextPage": True}
    while info["hasNextPage"]:
        page = asked_of(log_client, PAGE, first=2, after=info["endCursor"])["data"]["predictions"]
        assert page["pageInfo"]["hasPreviousPage"] == bool(seen)
        info = page["pageInfo"]
        seen += [edge["node"]["input"] for edge in page["edges"]]
        sqlite_log.record(entry("a later text"))
    assert seen == [f"text {number}" for number in reversed(range(5))]


def test_the_ratings_of_a_page_are_one_question(
    log_client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    for number in range(20):
        sqlite_log.record(entry(f"text {number}"))
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        page = asked_of(log_client, PAGE, first=20)["data"]["predictions"]
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert len(page["edges"]) == 20
    assert len([each for each in statements if each.startswith("SELECT")]) == 2


def test_a_filter_leaves_what_it_says(log_client: httpx2.Client, sqlite_log: FeedbackLog) -> None:
    old = entry("an old text", model_revision="1")
    for stored in (old, entry("new")):
        sqlite_log.record(stored)
    sqlite_log.rate(rating(old, verdict="down", correction="negative"))
    day = rating(old).created_at.date().isoformat()
    revision = {"modelId": "model/bundled", "modelRevision": "1"}
    for chosen, texts in (
        ({}, ["new", "an old text"]),
        ({"verdict": "unrated"}, ["new"]),
        ({"verdict": "up"}, []),
        ({"revision": revision, "label": "positive", "tenth": 7}, ["an old text"]),
        ({"truth": "negative", "day": day, "blind": False, "rated": True}, ["an old text"]),
        ({"disputed": True}, []),
        ({"day": "9999-12-31"}, []),
        ({"day": "0001-01-01"}, []),
        ({"text": "\u0000"}, []),
    ):
        page = asked_of(log_client, PAGE, filter=chosen)["data"]["predictions"]
        assert [edge["node"]["input"] for edge in page["edges"]] == texts, chosen


def test_insights_have_their_n_and_interval(
    log_client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    for number in range(4):
        stored = entry(f"text {number}")
        sqlite_log.record(stored)
        sqlite_log.rate(rating(stored, "Ada", verdict="up" if number else "down"))
        sqlite_log.rate(rating(stored, "Bob", correction="" if number else "neutral"))
    insights = asked_of(
        log_client,
        """{ insights(revision: {modelId: "model/bundled", modelRevision: "abc"}) {
          counts { predictions rated up down reviewers }
          revisions { modelId up { some n value low high tooFew } }
          byChance { right { n } unrated }  byDay { up down }
          byOutput { labels { label share { some n } } leftOut }  byTruth { labels { label } }
          confusion { labels cells { output truth n } n leftOut }
          calibration { n error low high bins { tenth meanScore right { some n } } }
          confidentMistakes { n }  agreement { measure reviewers value low high n same { some } }
          blind { blind { n } seen { n } low high }
        } }""",
    )["data"]["insights"]
    assert insights["counts"] == {"predictions": 4, "rated": 4, "up": 7, "down": 1, "reviewers": 2}
    (revision,) = insights["revisions"]
    up = revision["up"]
    assert (up["some"], up["n"], up["value"], up["tooFew"]) == (7, 8, 0.875, True)
    assert 0.5 < up["low"] < 0.875 < up["high"] < 1
    assert insights["byOutput"]["labels"] == [{"label": "positive", "share": {"some": 7, "n": 8}}]
    assert {"output": "positive", "truth": "positive", "n": 7} in insights["confusion"]["cells"]
    (tenth,) = insights["calibration"]["bins"]
    assert (tenth["tenth"], tenth["right"]) == (7, {"some": 7, "n": 8})
    assert insights["agreement"]["reviewers"] == ["Ada", "Bob"]
    assert insights["byDay"] == [{"up": 7, "down": 1}]
    other = '{ insights(revision: {modelId: "x", modelRevision: "y"}) { revisions { modelId } } }'
    assert asked_of(log_client, other)["data"]["insights"] == {"revisions": []}


def test_with_and_without_a_slash_and_the_schema_as_text(client: httpx2.Client) -> None:
    for path in ("/graphql", "/graphql/"):
        answer = client.post(path, json={"query": "{ __typename }"}, follow_redirects=False)
        assert (answer.status_code, answer.json()) == (200, {"data": {"__typename": "Query"}})
        text = client.get(path)
        assert text.headers["content-type"].startswith("text/plain")
        assert "type Mutation {" in text.text
    refused = client.get("/graphql", params={"query": "{ __typename }"})
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert client.delete("/graphql").status_code == 405


# --- rights ---------------------------------------------------------------------------------------


def test_each_field_needs_its_own_scope(sqlite_log: FeedbackLog) -> None:
    tokens, entries = zip(*(new_key(each, [each]) for each in ("predict", "export")), strict=True)
    fake = FakePredictor()
    fake.load()
    document = """{ model { name } predictions { edges { node { id } } } prediction(id: "x") { id }
                    insights { counts { rated } } }"""
    with (
        listening(service_of(fake, sqlite_log), keys=entries) as url,
        httpx2.Client(base_url=url) as client,
    ):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = client.post("/graphql", content=b"{", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["errors"][0]["extensions"] == {
                "code": "UNAUTHENTICATED",
                "status": 401,
            }
        client.headers["Authorization"] = f"Bearer {tokens[0]}"
        body = asked_of(client, document)
        assert body["data"] == {
            "model": {"name": "fake"},
            "predictions": None,
            "prediction": None,
            "insights": None,
        }
        assert {error["path"][0] for error in body["errors"]} == set(body["data"]) - {"model"}
        for error in body["errors"]:
            assert error["extensions"] == {"code": "PERMISSION_DENIED", "status": 403}
            assert "this needs 'export'" in error["message"]
        predicted = 'mutation { predict(texts: ["a"]) { ... on Prediction { ratings { id } } } }'
        body = asked_of(client, predicted)
        assert body["data"] == {"predict": [{"ratings": None}]}, "ratings are of others"
        assert body["errors"][0]["extensions"]["status"] == 403
        (error,) = asked_of(client, RATE, id="x", verdict="up", reviewer="Ada")["errors"]
        assert "this needs 'rate'" in error["message"]
        client.headers["Authorization"] = f"Bearer {tokens[1]}"
        body = asked_of(client, document)
        assert body["data"]["model"] is None
        assert body["data"]["insights"] == {"counts": {"rated": 0}}


def test_closed_exports_close_the_log_without_keys(sqlite_log: FeedbackLog) -> None:
    fake = FakePredictor()
    fake.load()
    with (
        listening(service_of(fake, sqlite_log), open_exports=False) as url,
        httpx2.Client(base_url=url) as client,
    ):
        body = asked_of(client, "{ model { name } insights { counts { rated } } }")
        assert body["data"] == {"model": {"name": "fake"}, "insights": None}
        assert body["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED", "status": 401}


def test_a_document_is_one_request_of_the_rate(sqlite_log: FeedbackLog) -> None:
    fake = FakePredictor()
    fake.load()
    with (
        listening(service_of(fake, sqlite_log), requests_per_minute=1) as url,
        httpx2.Client(base_url=url) as client,
    ):
        assert "errors" not in asked_of(client, "{ model { name } }")
        answer = client.post("/graphql", json={"query": "{ model { name } }"})
        assert answer.status_code == 429
        assert answer.json()["errors"][0]["extensions"]["code"] == "RESOURCE_EXHAUSTED"
        assert int(answer.headers["retry-after"]) >= 1


# --- packages -------------------------------------------------------------------------------------

START = """
import sys
{before}
import serving.__main__, streamlit_app
from starlette.applications import Starlette
from starlette.testclient import TestClient
from serving.access import Access
from serving.app import routes
from tests.helpers.graphql import PAGE, PREDICT, asked_of
from tests.helpers.predictor import FakePredictor
from tests.helpers.service import service_of

service = service_of(FakePredictor(), None)
client = TestClient(Starlette(routes=routes(service, lambda: 0, access=Access())))
client.get("/api/openapi.json").raise_for_status()
print([name for name in ("strawberry", "graphql") if sys.modules.get(name)])
answer = client.post("/graphql", json={{"query": "{{ __typename }}"}})
print(answer.status_code, answer.text)
print(client.get("/graphql").status_code)
"""


def started(before: str = "") -> list[str]:
    """The lines that the routes in a process of their own print."""
    done = subprocess.run(
        [sys.executable, "-c", START.format(before=before)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_packages_are_loaded_by_the_first_request() -> None:
    assert started() == ["[]", '200 {"data":{"__typename":"Query"}}', "200"]


def test_without_the_packages_a_sentence_names_their_file() -> None:
    imported, answer, description = started("sys.modules['strawberry'] = None")
    assert (imported, description) == ("[]", "501")
    status, _, body = answer.partition(" ")
    (error,) = json.loads(body)["errors"]
    assert (status, error["extensions"]["code"]) == ("501", "UNIMPLEMENTED")
    assert "pip install -r requirements-graphql.txt" in error["message"]
