"""gql: the schema by introspection, predictions and ratings, pages by cursors, and errors.

By each of its transports: requests, httpx and aiohttp.
"""

import asyncio
import json
import sys
from typing import Any

from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.requests import RequestsHTTPTransport

url, name = sys.argv[1:]
texts = json.load(sys.stdin)

PREDICT = gql(
    """mutation ($texts: [String!]!, $params: JSON) { predict(texts: $texts, params: $params) {
      ... on Prediction { id input label score }
      ... on Failed { message status }
    } }"""
)
RATE = gql(
    """mutation ($id: ID!) {
      rate(predictionId: $id, verdict: down, reviewer: "Ada") { verdict }
    }"""
)
PAGE = gql(
    """query ($after: String) { predictions(first: 2, after: $after, filter: {verdict: down}) {
      edges { node { id ratings { reviewer } } } pageInfo { hasNextPage endCursor }
    } }"""
)


def rows(predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    *predicted, failed = predictions
    assert failed == {"message": "There is no text to predict. Type or paste some.", "status": 422}
    assert [each["input"] for each in predicted] == texts
    return [{"label": each["label"], "score": each["score"]} for each in predicted]


def with_values(document: Any, **values: Any) -> Any:
    """The document with the values of its variables."""
    document.variable_values = values
    return document


def by_requests() -> list[dict[str, Any]]:
    transport = RequestsHTTPTransport(f"{url}/graphql")
    with Client(transport=transport, fetch_schema_from_transport=True) as session:
        # The schema was fetched, and documents are checked against it before they are sent.
        assert session.client.schema.get_type("PredictionFilter")
        assert session.execute(gql("{ model { name } }"))["model"] == {"name": name}
        predicted = session.execute(with_values(PREDICT, texts=[*texts, " "]))["predict"]
        for each in predicted[:-1]:
            rated = session.execute(with_values(RATE, id=each["id"]))
            assert rated == {"rate": {"verdict": "down"}}
        seen: list[str] = []
        info = {"hasNextPage": True, "endCursor": None}
        while info["hasNextPage"]:
            page = session.execute(with_values(PAGE, after=info["endCursor"]))["predictions"]
            seen += [edge["node"]["id"] for edge in page["edges"]]
            info = page["pageInfo"]
        assert sorted(seen) == sorted(each["id"] for each in predicted[:-1])
        insights = session.execute(gql("{ insights { revisions { up { some n low high } } } }"))
        (revision,) = insights["insights"]["revisions"]
        assert (revision["up"]["some"], revision["up"]["n"]) == (0, len(texts))
        try:
            session.execute(with_values(PREDICT, texts=texts, params={"unknown": 1}))
        except TransportQueryError as error:
            (refused,) = error.errors or []
        assert refused["extensions"] == {"code": "INVALID_ARGUMENT", "status": 422}
        assert "no parameter 'unknown'" in refused["message"]
    return rows(predicted)


async def by(transport: Any) -> list[dict[str, Any]]:
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        answer = await session.execute(with_values(PREDICT, texts=[*texts, " "]))
    return rows(answer["predict"])


answers = {
    "requests": by_requests(),
    "httpx": asyncio.run(by(HTTPXAsyncTransport(f"{url}/graphql"))),
    "aiohttp": asyncio.run(by(AIOHTTPTransport(f"{url}/graphql/"))),
}
print(json.dumps(answers))
