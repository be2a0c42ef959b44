"""The native format over a real port: predictions, streams, ratings, facts, and refusals."""

import json
from collections.abc import Iterator
from uuid import UUID as ID
from uuid import uuid4

import httpx2
import pytest
from pydantic import TypeAdapter

from feedback import FeedbackLog
from feedback.filters import Filter
from model import Model
from model.prediction import output_from_json
from serving.formats.native import PredictionBody, PredictionsBody
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.growing import begins
from tests.helpers.service import listening, service_of
from tests.helpers.until import until

ANY = Filter()
MAX_CHARS = 3000
TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "It is Tuesday."]


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A client of a model that generates."""
    folder = tmp_path_factory.mktemp("writer")
    model = Model(str(tiny.llama(folder / "model", chat=True, max_tokens=4096)), device="cpu")
    model.load()
    opened = FeedbackLog(new_sqlite_log(folder / "log.db"))
    service = service_of(model, opened)
    with listening(service) as url, httpx2.Client(base_url=url, timeout=60) as client:
        yield client
    model.close()
    opened.close()


def events(client: httpx2.Client, **body: object) -> list[tuple[str, dict[str, object]]]:
    """The names and data of the events of a stream."""
    with client.stream("POST", "/api/predictions", json=body | {"stream": True}) as answer:
        assert answer.status_code == 200, answer.read()
        parts = "".join(answer.iter_text()).strip().split("\n\n")
    return [
        (part.split("\n")[0].removeprefix("event: "), json.loads(part.split("\ndata: ")[1]))
        for part in parts
    ]


def test_a_prediction_is_that_of_the_model_and_is_stored_soon(
    model: Model, client: httpx2.Client, service_log: FeedbackLog
) -> None:
    answer = client.post("/api/predictions", json={"texts": TEXTS})
    assert answer.status_code == 200
    TypeAdapter(PredictionsBody).validate_json(answer.content, strict=False)
    predictions = answer.json()["predictions"]
    for made, expected in zip(predictions, model.predict(TEXTS), strict=True):
        assert output_from_json(made["output"]).label == expected.label
        assert made["score"] == pytest.approx(expected.score, abs=1e-4)
        assert made["input"] == expected.input
        assert made["model_revision"] == model.info.revision
    path = f"/api/predictions/{predictions[0]['id']}"
    until(lambda: client.get(path).json()["stored"])
    found = client.get(path).json()
    TypeAdapter(PredictionBody).validate_python(found, strict=False)
    assert found == predictions[0] | {"stored": True}
    assert {each.source for each, _ in service_log.page(ANY, offset=0, limit=9)} == {"api"}


def test_texts_are_not_stored_for_who_asks_so(client: httpx2.Client) -> None:
    answer = client.post(
        "/api/predictions", json={"texts": TEXTS[:1]}, headers={"X-Tryout-Log": "no"}
    )
    made = answer.json()["predictions"][0]
    assert client.get(f"/api/predictions/{made['id']}").status_code == 404


def test_a_bad_text_fails_alone_among_others(client: httpx2.Client) -> None:
    answer = client.post("/api/predictions", json={"texts": [TEXTS[0], " ", "x" * 3001]})
    assert answer.status_code == 200
    good, blank, long = answer.json()["predictions"]
    assert good["label"]
    assert blank == {"error": "There is no text to predict. Type or paste some.", "status": 422}
    assert "3,001 characters and the limit is 3,000" in long["error"]
    assert client.post("/api/predictions", json={"texts": [" "]}).status_code == 422


def test_a_rating_is_an_ordinary_rating(client: httpx2.Client, service_log: FeedbackLog) -> None:
    made = client.post("/api/predictions", json={"texts": TEXTS[:1]}).json()["predictions"][0]
    wrong = next(item["label"] for item in made["output"][1:])
    path = f"/api/predictions/{made['id']}/ratings"
    judgement = {"verdict": "down", "reviewer": " Ada ", "correction": wrong, "comment": "no"}
    answer = client.post(path, json=judgement)  # at once: the prediction may still be on its way
    assert answer.status_code == 201
    (rating,) = service_log.ratings_of(ID(made["id"]))
    assert (rating.reviewer, rating.verdict, rating.correction) == ("Ada", "down", wrong)
    again = client.post(path, json=judgement)
    assert (again.status_code, again.json()) == (200, answer.json())
    assert again.json()["id"] == str(rating.id)
    client.post(path, json={"verdict": "up", "reviewer": "Ada"})
    (rating,) = service_log.ratings_of(ID(made["id"]))
    assert (rating.verdict, rating.correction) == ("up", "")


@pytest.mark.parametrize(
    ("judgement", "status", "sentence"),
    [
        ({"verdict": "maybe", "reviewer": "Ada"}, 400, "verdict: "),
        ({"verdict": "up"}, 400, "reviewer: "),
        ({"verdict": "up", "reviewer": "anonymous-1"}, 422, "must be a name"),
        ({"verdict": "up", "reviewer": "Ada", "correction": "x"}, 422, "goes with the verdict"),
        ({"verdict": "down", "reviewer": "Ada", "correction": "x"}, 422, "one of its labels"),
    ],
)
def test_a_wrong_rating_is_refused(
    client: httpx2.Client, judgement: dict[str, str], status: int, sentence: str
) -> None:
    made = client.post("/api/predictions", json={"texts": TEXTS[:1]}).json()["predictions"][0]
    answer = client.post(f"/api/predictions/{made['id']}/ratings", json=judgement)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True)


def test_a_prediction_that_is_not_there(client: httpx2.Client) -> None:
    for name in (uuid4(), "nonsense"):
        answer = client.get(f"/api/predictions/{name}")
        assert answer.status_code == 404
        assert str(name) in answer.json()["error"]
        judgement = {"verdict": "up", "reviewer": "Ada"}
        answer = client.post(f"/api/predictions/{name}/ratings", json=judgement)
        assert answer.status_code == 404


def test_the_facts_of_the_model(client: httpx2.Client, model: Model) -> None:
    facts = client.get("/api/model").json()
    assert facts["name"] == "bundled"
    assert facts["id"] == model.info.id
    assert facts["labels"] == list(model.info.labels)
    assert facts["limits"] == {"max_chars": 3000, "max_texts": 20}
    assert facts["generates"] is False


def test_a_stream_of_a_classifier_ends_with_its_prediction(client: httpx2.Client) -> None:
    *_, (name, data) = events(client, texts=TEXTS[:1])
    assert name == "prediction"
    assert data["input"] == TEXTS[0]


def test_a_text_grows_in_a_stream(writer: httpx2.Client) -> None:
    got = events(writer, texts=["Once upon"], params={"max_new_tokens": 200})
    so_far = ""
    for name, data in got[:-1]:
        if name == "text":
            so_far = so_far[: int(str(data["at"]))] + str(data["text"])
    name, prediction = got[-1]
    assert name == "prediction"
    assert begins(prediction["output"]["text"], so_far)  # type: ignore[index]
    assert so_far


def test_a_stream_is_counted_when_it_ends(writer: httpx2.Client) -> None:
    def count(status: int) -> float:
        name = f'tryout_requests_total{{format="native",status="{status}"}} '
        lines = writer.get("/metrics").text.split("\n")
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    answered, left = count(200), count(499)
    body = {"texts": ["Once"], "params": {"max_new_tokens": 2000}, "stream": True}
    with writer.stream("POST", "/api/predictions", json=body) as answer:
        assert answer.status_code == 200
        growing = answer.iter_text()
        next(growing)
        assert (count(200), count(499)) == (answered, left)
    until(lambda: count(499) == left + 1)
    events(writer, texts=["Once"], params={"max_new_tokens": 5})
    until(lambda: count(200) == answered + 1)


def test_who_waits_is_told_the_place(writer: httpx2.Client) -> None:
    body = {"texts": ["Once"], "params": {"max_new_tokens": 2000}, "stream": True}
    with writer.stream("POST", "/api/predictions", json=body) as first:
        growing = first.iter_text()  # held: a generator that is collected closes its stream
        next(growing)
        with writer.stream("POST", "/api/predictions", json=body) as second:
            event = next(second.iter_text())
            assert event.startswith("event: place")
            assert json.loads(event.split("data: ")[1])["ahead"] == 0


def test_a_text_whose_turn_does_not_come_in_time_fails(writer: httpx2.Client) -> None:
    body = {"texts": ["Once"], "params": {"max_new_tokens": 2000}}
    with writer.stream("POST", "/api/predictions", json=body | {"stream": True}) as first:
        growing = first.iter_text()
        next(growing)
        hasty = body | {"timeout_s": 0.01}
        for answer in (
            writer.post("/api/predictions", json=hasty),
            writer.post("/api/predictions", json=hasty | {"stream": True}),
        ):
            assert answer.status_code == 504
            assert answer.json()["error"].startswith("The model is overloaded. This text waited")
        several = writer.post("/api/predictions", json=hasty | {"texts": ["One", " ", "Two"]})
        statuses = [each["status"] for each in several.json()["predictions"]]
        assert statuses == [504, 422, 504]


def test_the_only_text_left_of_several_fails_alone(writer: httpx2.Client) -> None:
    too_long = "x " * 4900  # for the model, not for the service
    body = {"texts": ["", too_long], "params": {"max_new_tokens": 5}}
    answer = writer.post("/api/predictions", json=body)
    assert answer.status_code == 200
    assert [each["status"] for each in answer.json()["predictions"]] == [422, 422]
    assert "tokens and the model takes" in answer.json()["predictions"][1]["error"]


def test_texts_that_fit(client: httpx2.Client) -> None:
    long = "a film " * 400
    answer = client.post("/api/fits", json={"texts": [TEXTS[0], long]})
    assert answer.json() == {"fits": [True, False]}
    assert client.post("/api/fits", json={"texts": [" "]}).status_code == 422


def test_many_prompts_are_generated(writer: httpx2.Client) -> None:
    texts = ["Once", "x " * 4900, "Twice", " "]
    body = {"texts": texts, "params": {"max_new_tokens": 5}}
    made = writer.post("/api/predictions", json=body).json()["predictions"]
    assert [each.get("input") for each in made] == ["Once", None, "Twice", None]
    assert [made[i]["status"] for i in (1, 3)] == [422, 422]
    assert "tokens and the model takes" in made[1]["error"]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 400, "not valid JSON"),
        (b"[" * 5_000_000, 400, "not valid JSON"),
        (b'{"texts": ["a"], "params": ' + b'{"a":' * 100_000, 400, "not valid JSON"),
        (b'{"texts": ["\xff"]}', 400, "not valid JSON"),
        (b'{"texts": ["\\ud800"]}', 400, "not valid JSON"),
        (b"[]", 400, "The body: "),
        (b'{"texts": []}', 400, "texts: "),
        (b'{"texts": "a"}', 400, "texts: "),
        (b'{"texts": [1]}', 400, "texts.0: "),
        (b'{"texts": [' + b"1," * 3_000_000 + b"1]}", 400, "texts.0: "),
        (
            json.dumps({f"{i}": 1 for i in range(2000)}).encode(),
            400,
            "The body has 2,001 mistakes.",
        ),
        (b'{"texts": ["a"], "text": "b"}', 400, "text: "),
        (b'{"texts": ["a"], "timeout_s": -1}', 400, "timeout_s: "),
        (b'{"texts": ["a"], "timeout_s": NaN}', 400, "timeout_s: "),
        (b'{"texts": ["a"], "params": {"top_p": NaN}}', 422, "no parameter 'top_p'"),
        (b'{"texts": ["a", "b"], "stream": true}', 422, "stream takes a single text"),
        (json.dumps({"texts": ["a"] * 21}).encode(), 413, "21 texts in a request; the limit is 20"),
        (b'{"texts": ["' + b"a" * 11_000_000 + b'"]}', 413, "more than 10,000,000 bytes"),
    ],
)
def test_a_malformed_request_is_a_sentence(
    client: httpx2.Client, body: bytes, status: int, sentence: str
) -> None:
    answer = client.post(
        "/api/predictions", content=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text


def test_other_types_of_body_are_refused(client: httpx2.Client) -> None:
    body = json.dumps({"texts": ["a"]})
    for headers in (
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ):
        answer = client.post("/api/predictions", content=body, headers=headers)
        assert answer.status_code == 415
        assert list(answer.json()) == ["error"]
    assert client.post("/api/predictions", content=body).status_code == 200


def test_a_method_that_a_path_does_not_take(client: httpx2.Client) -> None:
    answer = client.delete("/api/predictions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json() == {"error": "/api/predictions does not take DELETE. Use POST."}
    assert client.head("/api/model").status_code == 200
