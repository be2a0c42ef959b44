"""The routes of a service: in this process behind a real port, and as `make serve` starts them."""

import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from feedback import FeedbackLog
from model import Predictor
from serving.app import routes
from serving.service import Service
from tests.helpers.server import free_port, started
from tests.helpers.until import until


def service_of(predictor: Predictor, log: FeedbackLog, **arguments: Any) -> Service:
    """A service of a loaded predictor."""
    future: Future[Predictor] = Future()
    future.set_result(predictor)
    return Service(lambda: future, lambda: log, **arguments)


@contextmanager
def listening(service: Service, *, port: int = 0, **options: Any) -> Iterator[str]:
    """The routes on a port of 127.0.0.1, a free one by default, by a uvicorn in a thread."""
    port = port or free_port()
    app = Starlette(routes=routes(service, lambda: 0, **options))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        service.close()


@contextmanager
def serving_alone(
    database: Path, *, ready: bool = True, port: int = 0, **environment: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """`python -m serving` as `make serve` starts it; yields its URL and its process."""
    port = port or free_port()
    with service_process(database, port=port, ready=ready, **environment) as process:
        yield f"http://127.0.0.1:{port}", process


def service_process(
    database: Path, *, port: int, ready: bool = True, **environment: str
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """The process of `serving_alone`, once it is ready, or live."""
    probe = f"http://127.0.0.1:{port}/api/{'ready' if ready else 'live'}"
    return started(["serving", "--port", str(port)], database, probe=probe, **environment)


def stop(process: "subprocess.Popen[bytes]") -> int:
    """Asks a process to stop, as a host does; its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(60)
