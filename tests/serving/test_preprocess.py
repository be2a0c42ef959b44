"""A service whose model reads another text than the client sent: the formats, GraphQL, a remote."""

import json
from collections.abc import Iterator

import httpx2
import pytest
from pydantic import TypeAdapter

from feedback import FeedbackLog
from model import Model
from model.remote import RemoteModel
from serving.formats.native import PredictionBody
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.graphql import asked_of
from tests.helpers.preprocess import loaded, write
from tests.helpers.service import listening, service_of
from tests.helpers.until import until

TEXTS = ["@adalovelace was born in London, https://x.org", "Ada was born."]
READ = "@user was born in London, http"


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """A model that gives spans, with the function `clean`."""
    folder = tmp_path_factory.mktemp("tagger")
    with pytest.MonkeyPatch.context() as patch:
        write(folder, patch)
        model = loaded("clean", str(tiny.bert_tagger(folder / "model")))
    yield model
    model.close()


@pytest.fixture(scope="module")
def url(tagger: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = FeedbackLog(new_sqlite_log(tmp_path_factory.mktemp("log") / "log.db"))
    with listening(service_of(tagger, log, name="tagger")) as listening_url:
        yield listening_url
    log.close()


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=60) as opened:
        yield opened


def test_the_native_format_has_both_texts_and_says_of_which_the_spans_are(
    client: httpx2.Client, tagger: Model
) -> None:
    changed, same = client.post("/api/predictions", json={"texts": TEXTS}).json()["predictions"]
    assert (changed["input"], changed["read"], changed["spans_of"]) == (TEXTS[0], READ, "read")
    assert (same["read"], same["spans_of"]) == (None, "input")
    assert changed["model_revision"] == tagger.info.revision
    path = f"/api/predictions/{changed['id']}"
    until(lambda: client.get(path).json()["stored"])
    stored = client.get(path).json()
    TypeAdapter(PredictionBody).validate_python(stored, strict=False)
    assert stored == changed | {"stored": True}, "the log has it, too"
    right = [{"label": "PER", "start": 0, "end": len(READ)}]
    rating = {"verdict": "down", "reviewer": "Ada", "correction": right}
    assert client.post(path + "/ratings", json=rating).status_code == 201
    right[0]["end"] = len(TEXTS[0])
    refused = client.post(path + "/ratings", json=rating)
    assert refused.status_code == 422
    assert "a list of spans of the text that was read" in refused.json()["error"]


def test_the_revision_is_the_version_that_a_client_may_name(
    client: httpx2.Client, tagger: Model
) -> None:
    version = tagger.info.revision
    path = f"/v2/models/tagger/versions/{version}"
    for address in (path, path.replace("+", "%2B")):
        assert client.get(address).json()["versions"] == [version]


def test_rows_have_the_text_where_it_differs(client: httpx2.Client) -> None:
    path = "/v1/models/tagger:predict"
    changed, same = client.post(path, json={"instances": TEXTS}).json()["predictions"]
    assert (changed["read"], changed["spans_of"]) == (READ, "read")
    assert not {"read", "spans_of"} & same.keys()
    columns = client.post(path, json={"inputs": TEXTS}).json()["outputs"]
    assert columns["read"] == [READ, None]
    assert columns["spans_of"] == ["read", "input"]


def test_tensors_and_words_are_of_the_text_that_was_read(
    client: httpx2.Client, tagger: Model
) -> None:
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": TEXTS}
    answer = client.post("/v2/models/tagger/infer", json={"inputs": [tensor]}).json()
    assert json.loads(answer["parameters"]["read"]) == {"0": READ}
    entities = client.post("/api/predict", json={"inputs": TEXTS[0]}).json()
    assert entities
    assert all(entity["word"] == READ[entity["start"] : entity["end"]] for entity in entities)


def test_graphql_has_it(client: httpx2.Client) -> None:
    document = """mutation ($texts: [String!]!) {
      predict(texts: $texts) { ... on Prediction { input read spansOf } } }"""
    made = asked_of(client, document, texts=TEXTS)["data"]["predict"]
    assert made[0] == {"input": TEXTS[0], "read": READ, "spansOf": "read"}
    assert made[1] == {"input": TEXTS[1], "read": None, "spansOf": "input"}


def test_pages_with_the_model_behind_a_url_get_it_too(url: str, tagger: Model) -> None:
    remote = RemoteModel(url)
    remote.load()
    changed, same = remote.predict(TEXTS)
    assert (changed.input, changed.read, same.read) == (TEXTS[0], READ, None)
    assert changed.model_revision == tagger.info.revision
    assert changed.answer == tagger.predict(TEXTS)[0].answer
    remote.close()
