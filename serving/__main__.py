"""python -m serving: the model behind HTTP and gRPC, without the pages and without Streamlit.

Predictions are in the log that app.toml and DATABASE_URL name, where the pages of another process
find them.
"""

import argparse
import logging
import os
import socket
import sys
from asyncio import create_task, to_thread
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette

from errors import TryoutError
from feedback import FeedbackLog
from jobs.loader import ModelLoader
from model import Predictor, make_predictor
from model.machine import prepare_server
from serving.access import Access
from serving.app import routes
from serving.errors import CannotListen, NotInstalled
from serving.hangup import on_hangup
from serving.service import Service
from serving.shadow import Shadow
from settings import Settings, load_settings

if TYPE_CHECKING:
    from serving.grpc.server import GrpcServer

logger = logging.getLogger("tryout.serving")

DEFAULT_PORT = 8000
PORT_VARIABLES = ("AIP_HTTP_PORT", "PORT")  # Vertex AI's, and that of most other hosts
# Vertex AI's names of the paths that it asks.
ROUTE_VARIABLES = {"health_route": "AIP_HEALTH_ROUTE", "predict_route": "AIP_PREDICT_ROUTE"}
LAST_ANSWERS_S = 30  # that running requests have after a signal to stop


def main() -> int:
    """Serves until a signal comes; exits with 0, or 1 if it cannot start."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("tryout").setLevel(logging.INFO)
    try:
        given = arguments(sys.argv[1:])
        serve(load_settings(), **vars(given))
    except TryoutError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line and what hosts set in the environment.

    A port that is not given is that of the environment, else 8000.
    """
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=_port, help="the port (AIP_HTTP_PORT, PORT, 8000)")
    parser.add_argument("--grpc-port", type=_port, help="gRPC's port; without it, no gRPC")
    given = parser.parse_args(words)
    if given.port is None:
        given.port = _port_of_environment(parser)
    for name, variable in ROUTE_VARIABLES.items():
        setattr(given, name, _route_of_environment(parser, variable))
    return given


def _model() -> Predictor:
    """The model that app.toml names now, not loaded; raises SettingsError."""
    settings = load_settings()
    return make_predictor(**settings.model.arguments(params=settings.parameters))


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < 2**16:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} must be a port, 0 to 65535.")


def _port_of_environment(parser: argparse.ArgumentParser) -> int:
    for name in PORT_VARIABLES:
        if text := os.environ.get(name):
            try:
                return _port(text)
            except argparse.ArgumentTypeError as error:
                parser.error(f"{name}: {error}")
    return DEFAULT_PORT


def _route_of_environment(parser: argparse.ArgumentParser, variable: str) -> str:
    route = os.environ.get(variable, "")
    if route and (not route.startswith("/") or {"{", "}"} & set(route)):
        parser.error(f"{variable} is {route!r}; it must be a path such as /predict.")
    return route


class Server(uvicorn.Server):
    """A server that is no longer ready from the moment that it is asked to stop.

    The gRPC server, if there is any, starts before it, and finishes its requests beside it.
    """

    def __init__(
        self, config: uvicorn.Config, service: Service, grpc: "GrpcServer | None" = None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._grpc = grpc

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._grpc:
            await self._grpc.start()
        try:
            await super().startup(sockets)
        except SystemExit as error:  # uvicorn's way out, after the reason is in the log
            raise CannotListen(
                f"HTTP cannot listen on {self.config.host}:{self.config.port}: the port is taken, "
                "or the address is not this machine's. Choose another with --port."
            ) from error
        logger.info(
            "Listening on http://%s:%d; the API's page is /api/docs",
            self.config.host,
            self.servers[0].sockets[0].getsockname()[1],
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._grpc:
            self._grpc_end = create_task(self._grpc.stop(LAST_ANSWERS_S))  # at once, and beside
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.is_stopping = True
        super().handle_exit(sig, frame)


def serve(
    settings: Settings, *, host: str, port: int, grpc_port: int | None = None, **vertex_routes: Any
) -> None:
    """Listens until a signal to stop, finishes the requests that run, and stores what waits."""
    prepare_server()
    loader = ModelLoader(_model)
    open_log = cache(lambda: FeedbackLog(settings.log_url))  # a failure is not kept
    shadow = Shadow(**wanted) if (wanted := settings.shadow_arguments()) else None
    service = Service(loader.current, open_log, shadow=shadow, **settings.service_arguments())
    access = Access(**settings.access_arguments())
    grpc = None
    if grpc_port is not None:
        grpc = _grpc_server(service, access, host=host, port=grpc_port, **settings.grpc_arguments())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        loader.current()
        with on_hangup(loader.reload):
            yield
            if grpc:
                await grpc.stop(LAST_ANSWERS_S)
            await to_thread(service.close)
            await to_thread(loader.close)

    made = routes(
        service,
        lambda: 0,  # no page is open here
        access=access,
        **vertex_routes,
        **settings.route_arguments(),
    )
    app = Starlette(routes=made, lifespan=lifespan)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,  # serving.http has a line for each request
        timeout_graceful_shutdown=LAST_ANSWERS_S,
    )
    if not settings.api_keys:
        logger.info("There are no keys: whoever reaches this may predict, rate and export")
    with suppress(KeyboardInterrupt):  # the signal of Ctrl+C, which uvicorn sends again at the end
        Server(config, service, grpc).run()


def _grpc_server(service: Service, access: Access, **arguments: Any) -> "GrpcServer":
    """The gRPC server with these arguments; raises NotInstalled without its packages."""
    try:
        from serving.grpc.server import GrpcServer
    except ModuleNotFoundError as error:
        raise NotInstalled(
            f"gRPC needs the package {error.name}: pip install -r requirements-grpc.txt, or start "
            "without --grpc-port."
        ) from error
    return GrpcServer(service, access, **arguments)


if __name__ == "__main__":
    sys.exit(main())
