"""The standard health service: SERVING once the model is loaded, until the process is to end.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md. The servicer of the package keeps
what it is told; this asks the service each time, which also loads a model that could not be loaded.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.service import Service

NAME = str(health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
POLL_S = 0.2  # between looks for those who watch
Status = health_pb2.HealthCheckResponse.ServingStatus


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpc_health has no types
    """The health of the services `names`, and of "", the server: they share a model."""

    def __init__(self, service: Service, names: Sequence[str]) -> None:
        self._service = service
        self._names = {"", *names}

    async def Check(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        if request.service not in self._names:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"There is no service {request.service!r:.200} here."
            )
        return health_pb2.HealthCheckResponse(status=self._status())

    async def Watch(self, request: Any, context: grpc.aio.ServicerContext) -> AsyncGenerator[Any]:
        last = None
        while True:
            status = Status.Value("SERVICE_UNKNOWN")
            if request.service in self._names:
                status = self._status()
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
            last = status
            await asyncio.sleep(POLL_S)

    def _status(self) -> Any:
        return Status.Value("SERVING" if self._service.is_ready else "NOT_SERVING")
