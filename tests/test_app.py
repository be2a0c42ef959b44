"""The ASGI app as a server runs it: routes, cookie, life cycle."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import streamlit as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from feedback import export_csv
from tests.helpers.entries import entry, rating
from ui import shared


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """One start for all tests: Streamlit's runtime cannot be started twice in a process."""
    st.cache_resource.clear()
    import streamlit_app

    with TestClient(streamlit_app.app) as started:
        yield started
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def fresh(client: TestClient) -> Iterator[None]:
    """After each test the singletons are forgotten, and the client's cookie."""
    yield
    st.cache_resource.clear()
    client.cookies.clear()


def until_loaded(client: TestClient) -> dict[str, object]:
    deadline = time.monotonic() + 60
    while (answer := client.get("/api/ready").json())["status"] == "loading":
        assert time.monotonic() < deadline, "the model takes longer than a minute"
        time.sleep(0.05)
    return dict(answer)


def test_it_is_live_at_once_and_ready_when_the_model_is_in(client: TestClient) -> None:
    live = client.get("/api/live")
    assert (live.status_code, live.json()) == (200, {"status": "live"})
    early = client.get("/api/ready")
    if early.status_code == 503:
        assert early.json() == {"status": "loading"}
        assert early.headers["retry-after"] == "1"
    answer = until_loaded(client)
    assert answer["status"] == "ready"
    assert answer["model"]["id"] == "model/bundled"  # type: ignore[index]
    assert client.get("/api/ready").status_code == 200


def test_the_model_answers_programs_beside_the_pages(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    until_loaded(client)  # before another load begins: transformers' first import is not shared
    monkeypatch.setenv("TRYOUT_FEEDBACK__DATABASE", str(tmp_path / "log.db"))
    st.cache_resource.clear()
    until_loaded(client)
    body = {"texts": ["I love this phone.", "Nobody answers the phone."]}
    made = client.post("/api/predictions", json=body).json()["predictions"]
    assert [each["label"] for each in made] == ["positive", "negative"]
    answer = client.post("/api/predict", json={"inputs": body["texts"][0]}).json()
    assert answer[0][0]["label"] == "positive"
    assert answer[0][0]["score"] == pytest.approx(made[0]["score"], abs=1e-4)
    path = f"/api/predictions/{made[0]['id']}"
    deadline = time.monotonic() + 60
    while not client.get(path).json()["stored"]:
        assert time.monotonic() < deadline
    assert shared.log().find(UUID(made[0]["id"]))


@pytest.mark.parametrize("path", ["/models", "/v1/nothing", "/v2/models/x/nothing"])
def test_an_unknown_path_of_a_format_is_no_page(client: TestClient, path: str) -> None:
    assert client.get(path).json() == {"error": f"There is no GET {path} here."}


def test_a_broken_model_is_told_and_the_app_stays_up(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__ID", "./nowhere")
    st.cache_resource.clear()
    answer = until_loaded(client)
    assert answer["status"] == "failed"
    assert "'./nowhere' cannot be loaded" in str(answer["error"])
    assert client.get("/api/ready").status_code == 503
    assert client.get("/api/live").status_code == 200


def test_broken_settings_are_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYOUT_LIMITS__MAX_CHARS", "many")
    st.cache_resource.clear()
    answer = until_loaded(client)
    assert client.get("/api/ready").status_code == 503
    assert "limits.max_chars is 'many'" in str(answer["error"])


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nope", "/api/live/more", "/api/<b>"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_route_is_a_json_404(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["error"].startswith(f"There is no {method} /api")


def test_the_page_sets_a_visit_cookie_once(client: TestClient) -> None:
    first = client.get("/")
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=Lax" in first.headers["set-cookie"]
    assert "tryout_visit" not in client.get("/").headers.get("set-cookie", "")


def test_a_cached_page_still_brings_the_cookie(client: TestClient) -> None:
    tag = client.get("/").headers["etag"]
    client.cookies.clear()
    assert "tryout_visit" in client.get("/", headers={"if-none-match": tag}).headers["set-cookie"]
    assert client.get("/", headers={"if-none-match": tag}).status_code == 304


def test_a_made_up_visit_cookie_is_replaced(client: TestClient) -> None:
    answer = client.get("/", headers={"cookie": "tryout_visit=mine; a=b"})
    assert "tryout_visit=" in answer.headers["set-cookie"]


def test_routes_set_no_cookie(client: TestClient) -> None:
    assert "set-cookie" not in client.get("/api/live").headers


def test_metrics_are_what_prometheus_reads(client: TestClient) -> None:
    until_loaded(client)
    shared.loading().result().predict(["fine", "not so fine at all"])
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "set-cookie" not in answer.headers
    metrics = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert metrics["tryout_model_ready",] == 1
    assert metrics["tryout_sessions",] == 0
    assert metrics["tryout_memory_bytes",] > 10**8
    assert metrics["tryout_queue_depth",] == 0
    assert metrics["tryout_predictions_total",] == 3, "the one that warmed it up included"
    for reason in ("failed", "rejected", "expired", "cancelled"):
        assert metrics["tryout_errors_total", reason] == 0
    assert metrics["tryout_queue_seconds_count",] == 3
    for name in ("inference_seconds", "batch_rows", "batch_tokens"):
        assert 2 <= metrics[f"tryout_{name}_count",] <= 3
        assert metrics[f"tryout_{name}_bucket", "+Inf"] == metrics[f"tryout_{name}_count",]
    assert metrics["tryout_batch_rows_sum",] == 3
    assert metrics["tryout_batch_tokens_bucket", "1"] == 0


def test_without_a_model_there_are_still_metrics(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MODEL__ID", "./nowhere"), ("LIMITS__MAX_CHARS", "many")):
        monkeypatch.setenv(f"TRYOUT_{name}", value)
        st.cache_resource.clear()
        until_loaded(client)
        answer = client.get("/metrics").text
        assert "tryout_model_ready 0.0" in answer
        assert "tryout_predictions" not in answer


def test_the_log_is_streamed_as_csv(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRYOUT_FEEDBACK__DATABASE", str(tmp_path / "log.db"))
    st.cache_resource.clear()
    rated, unrated = entry("a rated text"), entry("=another")
    shared.log().add([rated, unrated], [rating(rated)])
    for name, lines in (("ratings", 2), ("predictions", 3)):
        answer = client.get(f"/api/export/{name}.csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}.csv"'
        assert answer.content == b"".join(export_csv(shared.log(), unrated=lines == 3))
        assert answer.text.count("\r\n") == lines
    assert client.get("/api/export/more.csv").status_code == 404
    assert client.post("/api/export/ratings.csv").status_code == 404


def test_a_log_that_is_away_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@127.0.0.1:1/name")
    st.cache_resource.clear()
    answer = client.get("/api/export/ratings.csv")
    assert answer.status_code == 503
    assert "cannot be reached" in answer.json()["error"]
    monkeypatch.setenv("TRYOUT_LIMITS__MAX_CHARS", "many")
    st.cache_resource.clear()
    answer = client.get("/api/export/ratings.csv")
    assert (answer.status_code, answer.json()["error"][:38]) == (
        503,
        "The setting limits.max_chars is 'many'",
    )


def test_a_log_that_goes_away_is_told(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "log.db"
    monkeypatch.setenv("TRYOUT_FEEDBACK__DATABASE", str(path))
    st.cache_resource.clear()
    shared.log().add([entry()], [])
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE predictions RENAME TO gone")
    other.close()
    answer = client.get("/api/export/predictions.csv")
    assert answer.status_code == 503
    assert "cannot be reached" in answer.json()["error"]


def test_exports_that_nobody_reads_keep_no_connection(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRYOUT_FEEDBACK__DATABASE", str(tmp_path / "log.db"))
    st.cache_resource.clear()
    shared.log().add([entry(f"{i}") for i in range(1500)], [])
    begun = [export_csv(shared.log(), unrated=True) for _ in range(30)]
    assert all(next(rows) for rows in begun)
    shared.log().record(entry("the pool has a connection for this"))
    assert {sum(chunk.count(b"\r\n") for chunk in rows) for rows in begun} == {1001}


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("rated.csv", "text,label,"),
        ("rated.jsonl", '{"text": "good"'),
        ("preferences.csv", "\ufeff"),
    ],
)
def test_the_rated_set_and_the_choices_are_files_too(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, start: str
) -> None:
    monkeypatch.setenv("TRYOUT_FEEDBACK__DATABASE", str(tmp_path / "log.db"))
    shared.settings.clear()
    shared.log.clear()
    empty = client.get(f"/api/export/{name}")
    assert empty.status_code == 200
    stored = entry("good")
    shared.log().record(stored)
    shared.log().rate(rating(stored))
    answer = client.get(f"/api/export/{name}")
    assert answer.text.startswith(start)
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
