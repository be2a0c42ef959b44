"""Batches over a real port: the list, one batch, stored predictions by key, files, refusals."""

import csv
import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx2
import pytest
from pydantic import TypeAdapter

from feedback import FeedbackLog
from feedback.batches import BatchRow, store
from feedback.jobs import store as store_rows
from model import Predictor
from serving.access import new_key
from serving.batches import BatchesBody, DetailedBatchBody, StoredBodies, StoredBody
from serving.service import Service
from tests.helpers.batches import batch_of, entry_in
from tests.helpers.predictor import FakePredictor
from tests.helpers.service import listening, service_of
from tests.helpers.stored_jobs import fake, rows_of, stored_job

ODD_KEYS = ["a/b", "a/b/../c", "ä ö", "100%", "?x=1&y=2#z", "a\nb", "+", "%2F", "..x", "'\"", "\0"]
WEEK = {"a": "a good day", "b": "a bad day", "c": "a day"}


@pytest.fixture
def live() -> FakePredictor:
    """The live model, of revision 2."""
    return fake("2")


@pytest.fixture
def client(live: FakePredictor, sqlite_log: FeedbackLog) -> Iterator[httpx2.Client]:
    with listening(service_of(live, sqlite_log)) as url, httpx2.Client(base_url=url) as opened:
        yield opened


def get(client: httpx2.Client, path: str) -> httpx2.Response:
    return client.get("/api/batches" + path)


def test_a_batch_says_how_old_and_how_stale_it_is(
    client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=9)
    job = stored_job(sqlite_log, WEEK, rejects=["d"], made_at=long_ago)
    store_rows(sqlite_log, job, rows_of({"a": "a good day"}, fake("2")))
    answer = get(client, "/reviews")
    assert answer.status_code == 200
    TypeAdapter(DetailedBatchBody).validate_json(answer.content, strict=False)
    batch = answer.json()
    assert (batch["name"], batch["kind"], batch["state"]) == ("reviews", "job", "done")
    assert (batch["rows"], batch["stored"], batch["rejects"]) == (4, 3, 1)
    assert (batch["stale"], batch["stale_share"]) == (2, pytest.approx(2 / 3))
    assert batch["made_from"] == long_ago.date().isoformat()
    assert batch["made_until"] == datetime.now(UTC).date().isoformat()
    assert batch["age_days"] in (9, 10), "the day may have changed meanwhile"
    assert batch["drift"] is None, "there is no batch before"
    assert get(client, f"/{batch['id']}").json() == batch, "it answers by its id, too"


def test_the_drift_is_that_from_the_batch_before_of_the_same_source(
    client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    before = {str(n): "a good day" for n in range(40)}
    now = {str(n): "a bad day" for n in range(40)}
    stored_job(sqlite_log, before, name="w47", source="reviews-47.csv")
    stored_job(sqlite_log, {"x": "a day"}, name="other", source="mails.csv")
    stored_job(sqlite_log, now, name="w48", source="reviews-48.csv")
    drift = get(client, "/w48").json()["drift"]
    assert (drift["before"], drift["effect"]) == ("w47", pytest.approx(1.0))
    assert drift["measures"]["labels"]["p"] < 0.001
    assert "most of all negative, 0.0 % before and 100.0 % now." in drift["sentences"][0]


def test_batches_are_listed_newest_first_in_pages(
    client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    assert get(client, "").json() == {"batches": [], "next": None}
    for n in range(5):
        stored_job(sqlite_log, WEEK, name=f"job {n}", source=f"{n}.csv")
    first = get(client, "?limit=2")
    TypeAdapter(BatchesBody).validate_json(first.content, strict=False)
    names, path = [], "/api/batches?limit=2"
    while path:
        answer = client.get(path).json()
        names += [batch["name"] for batch in answer["batches"]]
        path = answer["next"]
    assert names == [f"job {n}" for n in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=-1", "offset="])
def test_a_page_that_cannot_be_is_refused(client: httpx2.Client, query: str) -> None:
    answer = get(client, f"?{query}")
    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json()["error"]


def test_a_prediction_is_found_by_its_key(client: httpx2.Client, sqlite_log: FeedbackLog) -> None:
    stored_job(sqlite_log, WEEK)
    answer = get(client, "/reviews/predictions/b")
    TypeAdapter(StoredBody).validate_json(answer.content, strict=False)
    found = answer.json()
    assert (found["key"], found["version"], found["stale"]) == ("b", 1, True)
    assert 0 <= found["age_s"] < 600
    made = found["prediction"]
    assert (made["label"], made["input"], made["model_revision"]) == ("negative", "a bad day", "1")
    assert client.get(f"/api/predictions/{made['id']}").json() == made


def test_the_newest_version_of_a_key_is_answered(
    client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    job = stored_job(sqlite_log, WEEK)
    store_rows(sqlite_log, job, rows_of({"b": "a bad day"}, fake("2")))
    found = get(client, "/reviews/predictions/b").json()
    assert (found["version"], found["stale"]) == (2, False)
    assert found["prediction"]["model_revision"] == "2"


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_may_have_any_characters(
    client: httpx2.Client, sqlite_log: FeedbackLog, key: str
) -> None:
    stored_job(sqlite_log, {key: "a good day"})
    found = get(client, f"/reviews/predictions/{quote(key, safe='')}")
    assert found.status_code == 200, found.text
    assert found.json()["key"] == key


def test_many_keys_are_answered_in_their_order_with_those_that_are_missing(
    client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    rows = {f"k/{n}": f"a good day {n}" for n in range(1000)}
    stored_job(sqlite_log, rows)
    keys = [*list(reversed(rows))[:999], "none"]
    answer = client.post("/api/batches/reviews/predictions", json={"keys": keys})
    assert answer.status_code == 200
    TypeAdapter(StoredBodies).validate_json(answer.content, strict=False)
    found = answer.json()
    assert [each["key"] for each in found["predictions"]] == keys[:999]
    assert found["predictions"][0]["prediction"]["input"] == "a good day 999"
    assert found["missing"] == ["none"]


@pytest.mark.parametrize(
    "keys", [[], ["k"] * 1001, "k", [1], None], ids=["none", "many", "text", "number", "null"]
)
def test_keys_that_are_no_list_of_up_to_1000_texts_are_refused(
    client: httpx2.Client, sqlite_log: FeedbackLog, keys: object
) -> None:
    stored_job(sqlite_log, WEEK)
    answer = client.post("/api/batches/reviews/predictions", json={"keys": keys})
    assert answer.status_code == 400
    assert "keys" in answer.json()["error"]


def test_no_batch_and_no_key_are_sentences(client: httpx2.Client, sqlite_log: FeedbackLog) -> None:
    stored_job(sqlite_log, WEEK)
    for path in ("/none", "/none/predictions/a", "/none/predictions.csv", "/none/rejects.csv"):
        answer = get(client, path)
        assert answer.status_code == 404
        assert answer.json() == {"error": "There is no batch 'none' in the log."}
    assert client.post("/api/batches/none/predictions", json={"keys": ["a"]}).status_code == 404
    answer = get(client, "/reviews/predictions/z")
    assert answer.status_code == 404
    assert answer.json() == {"error": "The batch 'reviews' has no prediction of the key 'z'."}


def test_the_files_have_all_predictions_and_all_rejects(
    client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    rows = {f"{n:04}": f"=a good day {n}" for n in range(1200)}
    stored_job(sqlite_log, rows, rejects=["x", "=y"])
    answer = get(client, "/reviews/predictions.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    read = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["key"] for row in read] == list(rows)
    assert read[7]["text"] == "'=a good day 7", "safe in a spreadsheet"
    assert read[7]["label"] == "positive"
    rejects = get(client, "/reviews/rejects.csv").content.decode("utf-8-sig").splitlines()
    assert rejects[0] == "row,key,reason,content"
    assert rejects[1:] == [
        "1201,x,There is no text in this row.,",
        "1202,'=y,There is no text in this row.,",
    ]


def test_a_batch_of_a_page_answers_by_its_id(
    client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    rows = [BatchRow(1, ("1", "a")), BatchRow(2, ("2", "b")), BatchRow(3, "x,", "is not closed")]
    batch = batch_of(sqlite_log, rows)
    store(sqlite_log, batch, [(2, entry_in(batch, "b", 0.9))])
    answer = get(client, f"/{batch.id}")
    found = answer.json()
    TypeAdapter(DetailedBatchBody).validate_python(found, strict=False)
    assert (found["kind"], found["state"]) == ("page", "unfinished")
    assert (found["rows"], found["stored"], found["rejects"], found["stale"]) == (3, 1, 1, 1)
    assert get(client, f"/{batch.id}/predictions/2").json()["prediction"]["input"] == "b"
    assert get(client, f"/{batch.id}/predictions/1").status_code == 404
    assert get(client, f"/{batch.id}/predictions/²").status_code == 404
    assert b"predicted_label" in get(client, f"/{batch.id}/predictions.csv").content
    assert b"is not closed" in get(client, f"/{batch.id}/rejects.csv").content
    assert get(client, "").json()["batches"] == [], "the list has jobs"


def test_without_a_model_stored_predictions_are_read_and_nothing_is_stale(
    sqlite_log: FeedbackLog,
) -> None:
    stored_job(sqlite_log, WEEK)
    with (
        listening(Service(failing, lambda: sqlite_log)) as url,
        httpx2.Client(base_url=url) as client,
    ):
        assert get(client, "/reviews").json()["stale"] is None
        found = get(client, "/reviews/predictions/a").json()
        assert (found["stale"], found["prediction"]["label"]) == (None, "positive")


def failing() -> Future[Predictor]:
    raise RuntimeError("there is no model")


def test_reading_needs_the_scope_of_exports(live: FakePredictor, sqlite_log: FeedbackLog) -> None:
    stored_job(sqlite_log, WEEK)
    reader, for_reader = new_key("reader", ["predict", "rate"])
    exporter, for_exporter = new_key("exporter", ["export"])
    keys = [for_reader, for_exporter]
    paths = ("", "/reviews", "/reviews/predictions/a", "/reviews/predictions.csv")
    with (
        listening(service_of(live, sqlite_log), keys=keys) as url,
        httpx2.Client(base_url=url) as client,
    ):
        for path in paths:
            wanted = f"/api/batches{path}"
            assert client.get(wanted).status_code == 401
            for token, status in ((reader, 403), (exporter, 200)):
                headers = {"Authorization": f"Bearer {token}"}
                assert client.get(wanted, headers=headers).status_code == status


def test_closed_exports_close_batches_too(live: FakePredictor, sqlite_log: FeedbackLog) -> None:
    stored_job(sqlite_log, WEEK)
    service = service_of(live, sqlite_log)
    with listening(service, open_exports=False) as url, httpx2.Client(base_url=url) as client:
        for path in ("", "/reviews", "/reviews/predictions/a", "/reviews/rejects.csv"):
            assert get(client, path).status_code == 401


def test_two_hundred_in_flight_are_all_answered(
    client: httpx2.Client, sqlite_log: FeedbackLog
) -> None:
    rows = {str(n): f"a day {n}" for n in range(2000)}
    stored_job(sqlite_log, rows)

    def asked(n: int) -> str:
        answer = get(client, f"/reviews/predictions/{n}")
        assert answer.status_code == 200
        return str(answer.json()["prediction"]["input"])

    client.timeout = 60
    with ThreadPoolExecutor(200) as pool:
        assert list(pool.map(asked, range(600))) == [f"a day {n}" for n in range(600)]


def test_a_database_that_is_away_is_a_sentence(
    client: httpx2.Client, sqlite_log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_job(sqlite_log, WEEK)
    with sqlite_log.database.connect(write=True) as connection:
        connection.exec_driver_sql("ALTER TABLE job_predictions RENAME TO away")
    for path in ("/reviews/predictions/a", "/reviews/predictions.csv"):
        answer = get(client, path)
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("The feedback log cannot be reached")


def test_the_line_of_a_request_names_no_key(
    client: httpx2.Client, sqlite_log: FeedbackLog, caplog: pytest.LogCaptureFixture
) -> None:
    stored_job(sqlite_log, {"secret-key": "a good day"}, name="secret-name")
    with caplog.at_level("INFO"):
        assert get(client, "/secret-name/predictions/secret-key").status_code == 200
    lines = [each.getMessage() for each in caplog.records if each.name == "tryout.requests"]
    assert any("/api/batches/{name}/predictions/{key:path}" in line for line in lines)
    assert not any("secret" in line for line in lines)
    metrics = client.get("/metrics").text
    assert 'format="batches"' in metrics
