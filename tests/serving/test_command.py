"""python -m serving: ready, stopped, killed, and without Streamlit."""

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from feedback import FeedbackLog
from serving.__main__ import arguments
from settings import ROOT
from tests.helpers.command import run_alone, run_here
from tests.helpers.service import serving_alone, stop
from tests.helpers.until import until

TEXTS = ["The battery lasts two days.", "Nobody answers the phone."]


def test_streamlit_and_torch_are_not_imported_to_start() -> None:
    code = "import sys, serving.__main__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert {"streamlit", "pandas", "torch", "transformers"}.isdisjoint(done.stdout.split())


def test_it_predicts_finishes_what_runs_and_stores_it_before_it_ends(tmp_path: Path) -> None:
    database = tmp_path / "log.db"
    with serving_alone(database) as (url, process):
        body = {"texts": [f"{TEXTS[0]} {i}" for i in range(300)]}
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(httpx2.post, f"{url}/api/predictions", json=body, timeout=120)
            until(lambda: "tryout_queue_depth 0.0" not in httpx2.get(f"{url}/metrics").text)
            assert stop(process) in (0, -signal.SIGTERM)
            assert answer.result().status_code == 200
            assert len(answer.result().json()["predictions"]) == 300
    log = FeedbackLog(f"sqlite:///{database}")
    assert log.counts().predictions == 300
    log.close()


def test_a_kill_loses_nothing_that_was_called_stored(tmp_path: Path) -> None:
    database = tmp_path / "log.db"
    with serving_alone(database) as (url, process):
        made = [
            prediction["id"]
            for _ in range(5)
            for prediction in httpx2.post(
                f"{url}/api/predictions", json={"texts": TEXTS}, timeout=60
            ).json()["predictions"]
        ]
        stored = [
            each for each in made if httpx2.get(f"{url}/api/predictions/{each}").json()["stored"]
        ]
        process.kill()
        process.wait()
    assert stored
    log = FeedbackLog(f"sqlite:///{database}")
    assert all(log.find(UUID(each)) for each in stored)
    log.close()


def test_a_model_that_cannot_be_loaded_is_said_by_the_probe(tmp_path: Path) -> None:
    with serving_alone(tmp_path / "log.db", ready=False, TRYOUT_MODEL__ID="./nowhere") as (url, _):
        until(lambda: httpx2.get(f"{url}/api/ready").json()["status"] == "failed")
        assert "./nowhere" in httpx2.get(f"{url}/api/ready").json()["error"]


def test_broken_settings_are_a_sentence() -> None:
    ran = run_here("serving", TRYOUT_SERVING__MAX_TEXTS="many")
    assert ran.code == 1
    assert "serving.max_texts is 'many'" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("words", "environment", "port"),
    [
        ([], {}, 8000),
        ([], {"PORT": "9001"}, 9001),
        ([], {"PORT": "9001", "AIP_HTTP_PORT": "9002"}, 9002),
        (["--port", "9003"], {"PORT": "9001"}, 9003),
    ],
)
def test_the_port(
    monkeypatch: pytest.MonkeyPatch, words: list[str], environment: dict[str, str], port: int
) -> None:
    for name in ("PORT", "AIP_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert arguments(words).port == port


def test_the_routes_that_vertex_ai_names(tmp_path: Path) -> None:
    predict = "/v1/endpoints/7/deployedModels/8:predict"
    health = predict.removesuffix(":predict")
    with serving_alone(tmp_path / "log.db", AIP_HEALTH_ROUTE=health, AIP_PREDICT_ROUTE=predict) as (
        url,
        _,
    ):
        assert httpx2.get(url + health).json() == {"status": "ready"}
        answer = httpx2.post(url + predict, json={"instances": TEXTS}, timeout=60)
        assert [each["label"] for each in answer.json()["predictions"]] == ["neutral", "negative"]
        assert predict in httpx2.get(f"{url}/api/openapi.json").json()["paths"]


@pytest.mark.parametrize("route", ["predict", "/predict/{name}"])
def test_a_route_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], route: str
) -> None:
    monkeypatch.setenv("AIP_PREDICT_ROUTE", route)
    with pytest.raises(SystemExit):
        arguments([])
    assert f"AIP_PREDICT_ROUTE is {route!r}" in capsys.readouterr().err


def test_a_port_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", "eighty")
    monkeypatch.delenv("AIP_HTTP_PORT", raising=False)
    with pytest.raises(SystemExit) as ended:
        arguments([])
    assert ended.value.code == 2
    assert "PORT: 'eighty' must be a port, 0 to 65535." in capsys.readouterr().err
    for wrong in ("eighty", "99999", "-1"):
        with pytest.raises(SystemExit):
            arguments([f"--port={wrong}"])
        assert f"--port: {wrong!r} must be a port, 0 to 65535." in capsys.readouterr().err


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = run_alone("serving", "--port", port)
    assert ran.code == 1
    assert f"HTTP cannot listen on 127.0.0.1:{port}: the port is taken" in ran.err
    assert "Traceback" not in ran.err


def test_the_keyboard_ends_it_without_a_traceback(tmp_path: Path) -> None:
    with serving_alone(tmp_path / "log.db", ready=False) as (_, process):
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
