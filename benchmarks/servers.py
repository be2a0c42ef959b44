"""The apps that are measured, each started as its documentation says, on a free port of 127.0.0.1.

Tryout can be started from another tree than this one, with another Python.
"""

import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from benchmarks.from_tests import free_port
from benchmarks.load import connected
from benchmarks.running import NotMeasured, end, environment, reason, within
from settings import ROOT

TRYOUT, ONNX = "Tryout", "Tryout, onnx int8"
PLAIN, ONE, BATCHED = "plain Streamlit", "Gradio", "Gradio, batch=True"
LITSERVE, BENTOML = "LitServe", "BentoML"
PEERS = ROOT / "benchmarks" / "peers"
GRADIO_PYTHON = ROOT / ".cache" / "gradio" / "bin" / "python"
SERVERS_BIN = ROOT / ".cache" / "servers" / "bin"  # of LitServe and BentoML
STARTS_S = 120
FIRST_S = 120
EXPORT_S = 300
HEALTH = "/_stcore/health"  # of every Streamlit app


@dataclass(frozen=True, slots=True)
class Server:
    """An app that answers at `url`, in the process `pid`."""

    url: str
    pid: int

    @property
    def memory_mb(self) -> float:
        return float(psutil.Process(self.pid).memory_info().rss / 1e6)


@dataclass(frozen=True, slots=True)
class App:
    """An app by its name in the report; `kind` is the protocol and the page that it has."""

    name: str
    kind: str
    start: Callable[[], AbstractContextManager[Server]]


def apps(folder: Path, export: Callable[[], Path]) -> list[App]:
    """Tryout with both runtimes, and its peers; `folder` is for what they write.

    `export` returns the folder of the model as an ONNX graph; it is called when that app starts.
    """

    def onnx() -> AbstractContextManager[Server]:
        return tryout(folder / "log.db", export=export())

    return [
        App(TRYOUT, "tryout", partial(tryout, folder / "log.db")),
        App(ONNX, "tryout", onnx),
        App(PLAIN, "plain", partial(plain_streamlit, folder)),
        App(ONE, "gradio", partial(gradio, folder)),
        App(BATCHED, "gradio", partial(gradio, folder, BATCH="16")),
    ]


def tryout(
    log: Path,
    *,
    export: Path | None = None,
    url: str = "",
    tree: Path = ROOT,
    python: str = sys.executable,
) -> AbstractContextManager[Server]:
    """Tryout as `make run` starts it in `tree`, with the SQLite file `log`.

    An `export` is int8; the model of a service at `url` takes the place of one in the process.
    """
    settings = {"TRYOUT_FEEDBACK__DATABASE": str(log)}
    if url:
        settings |= {"TRYOUT_MODEL__URL": url}
    if export:
        settings |= {"TRYOUT_MODEL__ID": str(export), "TRYOUT_MODEL__RUNTIME": "onnx"}
    return _streamlit(python, "streamlit_app.py", cwd=tree, more=settings)


def plain_streamlit(folder: Path) -> AbstractContextManager[Server]:
    script = str(PEERS / "plain_streamlit.py")
    return _streamlit(sys.executable, script, cwd=folder, more=_peer_model())


def gradio(folder: Path, **more: str) -> AbstractContextManager[Server]:
    if not GRADIO_PYTHON.is_file():
        raise NotMeasured("failed: Gradio is not installed, make .cache/gradio/done does it")
    port = free_port()
    command = [str(GRADIO_PYTHON), str(PEERS / "gradio_app.py")]
    settings = _peer_model() | {"PORT": str(port)} | more
    return _started(command, port=port, cwd=folder, more=settings, probe="/")


def tryout_service(log: Path) -> AbstractContextManager[Server]:
    """Tryout's service as `make serve` starts it."""
    port = free_port()
    command = [sys.executable, "-m", "serving", "--port", str(port)]
    settings = {"TRYOUT_FEEDBACK__DATABASE": str(log)}
    return _started(command, port=port, cwd=ROOT, more=settings, probe="/api/ready")


def litserve(folder: Path, **more: str) -> AbstractContextManager[Server]:
    port = free_port()
    command = [_of_servers("python"), str(PEERS / "litserve_server.py")]
    settings = _peer_model() | {"PORT": str(port), "PYTHONPATH": str(ROOT)} | more
    return _started(command, port=port, cwd=folder, more=settings, probe="/health")


def bentoml(folder: Path, **more: str) -> AbstractContextManager[Server]:
    port = free_port()
    command = [_of_servers("bentoml"), "serve", "bentoml_service:Sentiment"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    quiet = {"BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    settings = _peer_model() | quiet | {"PYTHONPATH": str(ROOT)} | more
    return _started(command, port=port, cwd=PEERS, more=settings, probe="/readyz")


def _of_servers(command: str) -> str:
    path = SERVERS_BIN / command
    if not path.is_file():
        raise NotMeasured("failed: not installed, make .cache/servers/done does it")
    return str(path)


def first_prediction(kind: str, server: Server) -> None:
    """Returns as soon as the model is loaded and has predicted a text."""

    def visit() -> None:
        with connected(kind, server.url) as click:
            click("The first prediction waits for the model.")

    within(FIRST_S, visit)


def _peer_model() -> dict[str, str]:
    return {"PEER_MODEL": str(ROOT / "model" / "bundled")}


def _streamlit(
    python: str, script: str, *, cwd: Path, more: Mapping[str, str]
) -> AbstractContextManager[Server]:
    port = free_port()
    options = {"port": port, "address": "127.0.0.1", "headless": "true"}
    command = [python, "-m", "streamlit", "run", script]
    command += [f"--server.{name}={value}" for name, value in options.items()]
    return _started(command, port=port, cwd=cwd, more=more, probe=HEALTH)


@contextmanager
def _started(
    command: Sequence[str], *, port: int, cwd: Path, more: Mapping[str, str], probe: str
) -> Iterator[Server]:
    """The server of `command` as soon as `probe` answers, until it is no longer needed.

    Raises NotMeasured if it ends, or does not answer within STARTS_S seconds.
    """
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as output:  # a pipe that nobody reads would block it
        process = subprocess.Popen(
            command, cwd=cwd, env=environment(more), stdout=output, stderr=output
        )
        try:
            ends_s = time.monotonic() + STARTS_S
            while not _answers(url + probe):
                if process.poll() is not None:
                    output.seek(0)
                    raise NotMeasured(reason(output.read().decode(errors="replace")))
                if time.monotonic() > ends_s:
                    raise NotMeasured(f"too slow: no answer {STARTS_S} s after the start")
                time.sleep(0.1)
            yield Server(url, process.pid)
        finally:
            end(process)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
