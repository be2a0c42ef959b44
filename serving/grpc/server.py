"""The gRPC server: its port, its services, and its end.

It runs on the event loop that starts it, beside the HTTP server.
"""

import asyncio
import logging
import ssl
import time
from pathlib import Path

import grpc

from serving.access import Access
from serving.errors import CannotListen
from serving.grpc.calls import Calls, Unknown
from serving.grpc.health import NAME as HEALTH
from serving.grpc.health import health
from serving.grpc.openinference import openinference
from serving.grpc.reflection import reflecting
from serving.grpc.tensorflow import model_service, prediction_service
from serving.service import Service

logger = logging.getLogger(f"tryout.{__name__}")

FORMATS = (openinference, prediction_service, model_service)
POLL_S = 0.05  # between looks for requests that run, at the end
LAST_WRITE_S = 0.3  # that an answer has to reach its client after the last request has run
IDENTITY_ONLY = 1  # of the bits of the algorithms: a small compressed message can be huge


class GrpcServer:
    """The service on a port of its own; `start` and `stop` run on the same event loop."""

    def __init__(
        self,
        service: Service,
        access: Access,
        *,
        host: str,
        port: int,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        """Listens to nothing yet; with a `certificate` and its `key` (PEM) clients need TLS."""
        self._service = service
        self._access = access
        self._host, self._port = host, port
        self._certificate, self._key = certificate, key
        self._end: asyncio.Future[None] | None = None

    async def start(self) -> int:
        """Listens, and returns the port, which is another than that of the settings if that is 0.

        Raises CannotListen.
        """
        self._calls = Calls(self._service, self._access)
        formats = [wire(self._service) for wire in FORMATS]
        names = [wire.service for wire in formats]
        self._server = grpc.aio.server(
            handlers=[
                *(self._calls.handler(wire) for wire in formats),
                health(self._service, names),
                reflecting([*names, HEALTH]),
                Unknown(),
            ],
            options=(
                ("grpc.max_receive_message_length", self._service.limits.max_body_bytes),
                ("grpc.compression_enabled_algorithms_bitset", IDENTITY_ONLY),
                ("grpc.so_reuseport", 0),  # else a second server on the port would be no error
            ),
        )
        port = self._listen()
        await self._server.start()
        logger.info("gRPC listens on %s:%d", self._host, port)
        return port

    def _listen(self) -> int:
        host = f"[{self._host}]" if ":" in self._host else self._host
        address = f"{host}:{self._port}"
        credentials = self._credentials()
        try:
            if credentials:
                return int(self._server.add_secure_port(address, credentials))
            return int(self._server.add_insecure_port(address))
        except RuntimeError as error:
            raise CannotListen(
                f"gRPC cannot listen on {address}: the port is taken, or the address is not this "
                "machine's. Choose another with --grpc-port."
            ) from error

    def _credentials(self) -> grpc.ServerCredentials | None:
        if not self._certificate or not self._key:
            return None
        try:
            # gRPC itself takes any bytes, and then no client can connect.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self._certificate,
                self._key,
                password="",  # else OpenSSL asks the terminal
            )
            chain, key = self._certificate.read_bytes(), self._key.read_bytes()
        except OSError as error:
            raise CannotListen(
                f"serving.grpc_certificate {str(self._certificate)!r} and serving.grpc_key "
                f"{str(self._key)!r} cannot be used: {error.strerror or error}. They must be a "
                "certificate and its key as PEM."
            ) from error
        return grpc.ssl_server_credentials([(key, chain)])

    async def stop(self, grace_s: float) -> None:
        """Refuses requests from here on, and ends once those that run have their answers.

        After `grace_s` they are cancelled. Streams in which no request runs are ended. Called
        again, it waits for the same end.
        """
        if self._end is None:
            self._end = asyncio.ensure_future(self._stop(grace_s))
        await asyncio.shield(self._end)

    async def _stop(self, grace_s: float) -> None:
        # gRPC cancels the calls that it has read and not begun when it stops. Until those that run
        # have ended it goes on, and the service refuses them, so that clients know to try again.
        self._service.is_stopping = True
        end_s = time.monotonic() + grace_s
        while self._calls.running and time.monotonic() < end_s:
            await asyncio.sleep(POLL_S)
        await self._server.stop(LAST_WRITE_S)
