"""The routes of a service: in this process behind a real port, and as `make serve` starts them."""

import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

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
    written: IO[bytes] | None = None,
    **environment: str,
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """`python -m serving` as `make serve` starts it; yields its URL and its process.

    There is gRPC if it has a port. What it prints goes into the file `written`.
    """
    port = port or free_port()
    with service_process(
        database, port=port, ready=ready, grpc_port=grpc_port, written=written, **environment
    ) as process:
        yield f"http://127.0.0.1:{port}", process


def service_process(
    database: Path,
    *,
    port: int,
    ready: bool = True,
    grpc_port: int = 0,
    written: IO[bytes] | None = None,
    **environment: str,
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """The process of `serving_alone`, once it is ready, or live."""
    probe = f"http://127.0.0.1:{port}/api/{'ready' if ready else 'live'}"
    module = ["serving", "--port", str(port)]
    module += ["--grpc-port", str(grpc_port)] if grpc_port else []
    return started(module, database, probe=probe, written=written, **environment)


class KilledService:
    """`python -m serving` on a port that it keeps: killed as by `kill -9`, and started again."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._running = ExitStack()

    def start(self) -> None:
        """Returns once it is ready."""
        _, self.process = self._running.enter_context(serving_alone(self.database, port=self.port))

    def freeze(self) -> None:
        """It takes connections and answers nothing more, until it is killed."""
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """Returns once it is dead."""
        self._running.close()

    def stored(self) -> int:
        """The number of predictions in its log."""
        log = FeedbackLog(f"sqlite:///{self.database}")
        try:
            return log.counts().predictions
        finally:
            log.close()


@contextmanager
def killed_service(database: Path) -> Iterator[KilledService]:
    """A service that is ready, for tests that kill it."""
    service = KilledService(database)
    service.start()
    try:
        yield service
    finally:
        service.kill()


def stop(process: "subprocess.Popen[bytes]") -> int:
    """Asks a process to stop, as a host does; its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(60)
