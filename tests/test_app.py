"""The ASGI app as a server runs it: routes, cookie, life cycle."""

import time
from collections.abc import Iterator

import pytest
import streamlit as st
from starlette.testclient import TestClient


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
