"""The routes of a service: in this process behind a real port, and as `make serve` starts them."""

import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from feedback import FeedbackLog
from model import Predictor
from serving.access import Access
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
def listening(
    service: Service,
    *,
    port: int = 0,
    keys: Sequence[Mapping[str, Any]] = (),
    requests_per_minute: int = 0,
    **options: Any,
) -> Iterator[str]:
    """The routes on a port of 127.0.0.1, a free one by default, by a uvicorn in a thread."""
    port = port or free_port()
    access = Access(keys, requests_per_minute=requests_per_minute)
    app = Starlette(routes=routes(service, lambda: 0, access=access, **options))
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
    database: Path,
    *,
    ready: bool = True,
    port: int = 0,
    grpc_port: int = 0,
    **environment: str,
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """`python -m serving` as `make serve` starts it; yields its URL and its process.

    There is gRPC if it has a port.
    """
    port = port or free_port()
    with service_process(
        database, port=port, ready=ready, grpc_port=grpc_port, **environment
    ) as process:
        yield f"http://127.0.0.1:{port}", process


def service_process(
    database: Path, *, port: int, ready: bool = True, grpc_port: int = 0, **environment: str
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """The process of `serving_alone`, once it is ready, or live."""
    probe = f"http://127.0.0.1:{port}/api/{'ready' if ready else 'live'}"
    command = ["serving", "--port", str(port)]
    command += ["--grpc-port", str(grpc_port)] if grpc_port else []
    return started(command, database, probe=probe, **environment)


def stop(process: "subprocess.Popen[bytes]") -> int:
    """Asks a process to stop, as a host does; its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(60)
