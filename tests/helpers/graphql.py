"""Documents for /graphql, and the answer to one."""

from typing import Any

import httpx2

PREDICT = """mutation ($texts: [String!]!, $params: JSON, $log: Boolean) {
  predict(texts: $texts, params: $params, log: $log) {
    ... on Prediction { id input label score output stored }
    ... on Failed { message code status }
  }
}"""
PAGE = """query ($first: Int, $after: String, $filter: PredictionFilter) {
  predictions(first: $first, after: $after, filter: $filter) {
    edges { cursor node { id input source stored ratings { reviewer verdict } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


def asked_of(client: httpx2.Client, document: str, **variables: Any) -> dict[str, Any]:
    """The answer to a document, errors and all."""
    answer = client.post("/graphql", json={"query": document, "variables": variables})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
