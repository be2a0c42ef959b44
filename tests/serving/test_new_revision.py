"""A new revision while clients ask: none is refused, and no answer is of two revisions."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from feedback import FeedbackLog
from feedback.filters import Filter
from jobs.loader import LoadFuture, ModelLoader
from model import Model, ModelClosed
from serving.service import Service
from settings import ROOT
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.server import app_process, free_port
from tests.helpers.service import listening, service_process
from tests.helpers.until import until

TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "It is Tuesday."]


@contextmanager
def serving(folder: Path, log: FeedbackLog) -> Iterator[tuple[httpx2.Client, ModelLoader]]:
    """A client of a service of the model in `folder`, and the loader of that."""
    loader = ModelLoader(lambda: Model(str(folder), device="cpu"))
    loader.current().result(60)
    service = Service(loader.current, lambda: log, name="moods")
    with listening(service) as url, httpx2.Client(base_url=url, timeout=60) as client:
        yield client, loader
    loader.close()


def native(client: httpx2.Client, texts: list[str]) -> list[str]:
    answer = client.post("/api/predictions", json={"texts": texts})
    assert answer.status_code == 200, answer.text
    return [each["model_revision"] for each in answer.json()["predictions"]]


def openinference(client: httpx2.Client, texts: list[str]) -> list[str]:
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    answer = client.post("/v2/models/moods/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200, answer.text
    ids = answer.json()
    assert len(ids["outputs"][0]["data"]) == len(texts)
    return [ids["model_version"]]


def streamed(client: httpx2.Client, texts: list[str]) -> list[str]:
    body = {"texts": texts[:1], "stream": True}
    with client.stream("POST", "/api/predictions", json=body) as answer:
        assert answer.status_code == 200
        text = "".join(answer.iter_text())
    assert "event: prediction" in text
    return [text.split('"model_revision":"')[1].split('"')[0]]


def ask_until(stopped: threading.Event, client: httpx2.Client, ask: Any, n: int) -> list[str]:
    """The revisions of the answers, in their order; each is of one revision."""
    revisions = []
    while not stopped.is_set():
        (revision,) = set(ask(client, TEXTS[:n]))
        revisions.append(revision)
    return revisions


def in_order(revisions: list[str]) -> list[str]:
    """The revisions without their repetitions."""
    return [each for i, each in enumerate(revisions) if i == 0 or revisions[i - 1] != each]


def test_no_request_fails_and_each_answer_is_of_one_revision(
    tmp_path: Path, sqlite_log: FeedbackLog
) -> None:
    folder = tiny.bert_classifier(tmp_path / "model")
    asks: list[tuple[Callable[..., list[str]], int]] = [
        *((native, n) for n in (1, 1, 3)),
        *((openinference, n) for n in (1, 3)),
        (streamed, 1),
    ]
    with serving(folder, sqlite_log) as (client, loader), ThreadPoolExecutor(len(asks)) as pool:
        stopped, expected = threading.Event(), [loader.current().result().info.revision]
        asked = [pool.submit(ask_until, stopped, client, ask, n) for ask, n in asks]
        try:
            for _ in range(3):
                until(lambda: client.get("/api/model").json()["revision"] == expected[-1])
                tiny.renew(folder)
                loader.reload()
                until(lambda: not loader.is_reloading)
                expected.append(loader.current().result().info.revision)
            native(client, TEXTS)
        finally:
            stopped.set()
        answers = [future.result(60) for future in asked]
    assert len(set(expected)) == 4
    for revisions in answers:
        seen = in_order(revisions)
        assert seen == [each for each in expected if each in seen], "none comes back"
    assert set(expected[:-1]) <= {each for revisions in answers for each in revisions}
    stored = sqlite_log.page(Filter(), offset=0, limit=50)
    assert {entry.prediction.model_revision for entry, _ in stored} <= set(expected)


def test_a_stream_ends_with_the_revision_with_which_it_began(
    tmp_path: Path, sqlite_log: FeedbackLog
) -> None:
    folder = tiny.llama(tmp_path / "writer", chat=True, max_tokens=4096)
    with serving(folder, sqlite_log) as (client, loader):
        old = loader.current().result().info.revision
        body: dict[str, Any] = {"model": "moods", "prompt": "Once", "max_tokens": 400}
        with client.stream("POST", "/v1/completions", json=body | {"stream": True}) as answer:
            parts = answer.iter_text()
            text = next(parts)
            tiny.renew(folder)
            loader.reload()
            text += "".join(parts)
        assert "[DONE]" in text
        assert set(_fingerprints(text)) == {old}
        until(lambda: not loader.is_reloading)
        whole = client.post("/v1/completions", json=body | {"max_tokens": 2}).json()
        assert whole["system_fingerprint"] == loader.current().result().info.revision != old


def _fingerprints(text: str) -> list[str]:
    return [part.split('"')[0] for part in text.split('"system_fingerprint":"')[1:]]


def test_a_version_that_is_replaced_is_not_answered_by_another(
    tmp_path: Path, sqlite_log: FeedbackLog
) -> None:
    folder = tiny.bert_classifier(tmp_path / "model")
    with serving(folder, sqlite_log) as (client, loader):
        path = f"/v1/models/moods/versions/{loader.current().result().info.revision}:predict"
        assert client.post(path, json={"instances": TEXTS}).status_code == 200
        tiny.renew(folder)
        loader.reload()
        until(lambda: not loader.is_reloading)
        assert client.post(path, json={"instances": TEXTS}).status_code == 404


def test_texts_that_the_former_model_did_not_take_go_to_its_successor(
    tmp_path: Path, sqlite_log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.bert_classifier(tmp_path / "model")
    with serving(folder, sqlite_log) as (client, loader):
        submit, refused = Model.submit_many, list[str]()

        def replaced_meanwhile(model: Model, texts: list[str], *args: Any, **kwargs: Any) -> Any:
            if not refused:  # after the request has looked for the model
                tiny.renew(folder)
                loader.reload()
                until(lambda: not loader.is_reloading)
            try:
                return submit(model, texts, *args, **kwargs)
            except ModelClosed:
                refused.append(model.info.revision)
                raise

        monkeypatch.setattr(Model, "submit_many", replaced_meanwhile)
        assert set(native(client, TEXTS)) == {loader.current().result().info.revision}
        assert len(refused) == 1


def test_without_a_model_meanwhile_probes_and_clients_are_told_why(
    sqlite_log: FeedbackLog,
) -> None:
    future = LoadFuture("There is no room in memory for a second model.")
    with (
        listening(Service(lambda: future, lambda: sqlite_log)) as url,
        httpx2.Client(base_url=url, timeout=60) as client,
    ):
        ready = client.get("/api/ready")
        assert ready.status_code == 503
        assert ready.json() == {"status": "loading", "error": future.reason}
        answer = client.post("/api/predictions", json={"texts": TEXTS})
        assert (answer.status_code, answer.json()) == (503, {"error": future.reason})
        assert answer.headers["retry-after"]


@pytest.mark.parametrize("start", [service_process, app_process])
def test_a_signal_loads_the_revision_that_is_there_now(start: Any, tmp_path: Path) -> None:
    folder, port = tiny.bert_classifier(tmp_path / "model"), free_port()
    url = f"http://127.0.0.1:{port}"
    with start(tmp_path / "log.db", port=port, TRYOUT_MODEL__ID=str(folder)) as process:

        def revision() -> str:
            return str(httpx2.get(f"{url}/api/model").json().get("revision", ""))

        until(revision)
        old = revision()
        process.send_signal(signal.SIGHUP)  # nothing has changed
        tiny.renew(folder)
        process.send_signal(signal.SIGHUP)
        until(lambda: revision() != old)
        with httpx2.Client(base_url=url, timeout=60) as client:
            assert set(native(client, TEXTS)) == {revision()}
        assert process.poll() is None


def test_a_terminal_that_is_closed_ends_the_service(tmp_path: Path) -> None:
    code = (
        "import fcntl, sys, termios\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"  # as the terminal of a shell is
        "import runpy; runpy.run_module('serving', run_name='__main__', alter_sys=True)"
    )
    port = free_port()
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--port", str(port)],
        cwd=ROOT,
        env=os.environ | {"TRYOUT_FEEDBACK__DATABASE": str(tmp_path / "log.db")},
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        until(lambda: _is_live(port))
        process.send_signal(signal.SIGHUP)  # by hand, with the terminal still there
        until(lambda: _is_live(port))
        assert process.poll() is None
        os.close(ours)
        assert process.wait(60) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def _is_live(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/api/live").status_code == 200
    except httpx2.TransportError:
        return False


def test_a_signal_while_the_service_ends_loses_nothing(tmp_path: Path) -> None:
    folder, port = tiny.bert_classifier(tmp_path / "model"), free_port()
    new_sqlite_log(database := tmp_path / "log.db")
    with service_process(database, port=port, TRYOUT_MODEL__ID=str(folder)) as process:
        url = f"http://127.0.0.1:{port}"
        httpx2.post(f"{url}/api/predictions", json={"texts": TEXTS}).raise_for_status()
        until(lambda: _rows(database) == len(TEXTS))
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # so that the last prediction waits for the log
            httpx2.post(f"{url}/api/predictions", json={"texts": TEXTS[:1]}).raise_for_status()
            process.send_signal(signal.SIGTERM)
            until(lambda: not _is_live(port))
            for _ in range(20):
                process.send_signal(signal.SIGHUP)
                time.sleep(0.05)
            other.execute("ROLLBACK")
        assert process.wait(60) != -signal.SIGHUP
    assert _rows(database) == len(TEXTS) + 1


def _rows(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM predictions").fetchone()[0])
