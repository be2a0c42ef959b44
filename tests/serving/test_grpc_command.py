"""python -m serving --grpc-port: both ports, the end, a port that is taken, missing packages."""

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx2
import pytest

from feedback import FeedbackLog
from settings import ROOT
from tests.helpers.command import run_alone
from tests.helpers.grpc import failure, infer, infer_request
from tests.helpers.server import free_port
from tests.helpers.service import serving_alone, stop
from tests.helpers.until import until

TEXTS = ["The battery lasts two days.", "Nobody answers the phone."]
# A package that is None cannot be imported, as if it was not installed.
WITHOUT_GRPC = "import sys, runpy; sys.modules['grpc'] = None; "


def test_what_runs_is_finished_and_stored_before_the_end(tmp_path: Path) -> None:
    database, port = tmp_path / "log.db", free_port()
    with (
        serving_alone(database, grpc_port=port) as (url, process),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
        ThreadPoolExecutor(4) as pool,
    ):
        # More than the model computes at once, so that some wait when the signal comes.
        request = infer_request(*(f"{TEXTS[0]} {i}" for i in range(100)))
        answers = [pool.submit(infer, channel, request) for _ in range(4)]
        until(lambda: "tryout_queue_depth 0.0" not in httpx2.get(f"{url}/metrics").text)
        assert stop(process) in (0, -signal.SIGTERM)
        finished = [each for each in answers if not each.exception()]
        assert finished
        for each in finished:
            assert list(each.result().outputs[0].shape) == [100]
        for each in answers:
            error = each.exception()
            assert error is None or error.code() == grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]  # grpc has no types
        assert failure(lambda: infer(channel, request))[0] == "UNAVAILABLE"
    log = FeedbackLog(f"sqlite:///{database}")
    assert log.counts().predictions == 100 * len(finished)
    log.close()


def test_a_port_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = run_alone("serving", "--port", str(free_port()), "--grpc-port", port)
    assert ran.code == 1
    assert f"gRPC cannot listen on 127.0.0.1:{port}: the port is taken" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("setting", ["GRPC_CERTIFICATE", "GRPC_KEY"])
def test_a_certificate_without_its_key_is_a_sentence(setting: str) -> None:
    ran = run_alone("serving", **{f"TRYOUT_SERVING__{setting}": "a.pem"})
    assert ran.code == 1
    assert ran.err == (
        "serving.grpc_certificate and serving.grpc_key go together. Set both, or none.\n"
    )


def test_without_the_packages_the_start_says_so() -> None:
    code = WITHOUT_GRPC + (
        "sys.argv = ['serving', '--grpc-port', '0']; "
        "runpy.run_module('serving', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "gRPC needs the package grpc: pip install -r requirements-grpc.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_grpc_needs_no_http() -> None:
    code = "import sys, serving.grpc.server; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "grpc" in done.stdout.split(), done.stderr
    assert {"starlette", "uvicorn"}.isdisjoint(done.stdout.split())


def test_neither_the_app_nor_the_service_imports_grpc_unasked() -> None:
    code = WITHOUT_GRPC + (
        "import streamlit_app, serving.app, serving.__main__\n"
        "print(*(name for name in sys.modules if name.startswith(('grpc', 'serving.grpc'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["grpc"], done.stderr
