"""The standard health service: SERVING once the model is loaded, until the process is to end.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md. The servicer of the package keeps
what it is told; this asks the service each time, which also loads a model that could not be loaded.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2 as pb

from errors import TryoutError
from serving.errors import NotFound
from serving.grpc.calls import abort, parsed
from serving.service import Service

NAME = str(pb.DESCRIPTOR.services_by_name["Health"].full_name)
POLL_S = 0.2  # between looks for those who watch
Status = pb.HealthCheckResponse.ServingStatus


def health(service: Service, names: Sequence[str]) -> grpc.GenericRpcHandler:
    """The handler that knows the services `names`, and "", the server: they share a model."""
    known = {"", *names}

    def state() -> Any:
        return Status.Value("SERVING" if service.is_ready else "NOT_SERVING")

    async def check(raw: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            name = parsed(pb.HealthCheckRequest, raw).service
            if name not in known:
                raise NotFound(f"There is no service {name[:200]!r} here.")
            return _answer(state())
        except TryoutError as error:
            await abort(context, error)

    async def watch(raw: bytes, context: grpc.aio.ServicerContext) -> None:
        try:
            name = parsed(pb.HealthCheckRequest, raw).service
        except TryoutError as error:
            await abort(context, error)
        last = None
        while True:
            now = state() if name in known else Status.Value("SERVICE_UNKNOWN")
            if now != last:
                await context.write(_answer(now))
            last = now
            await asyncio.sleep(POLL_S)

    calls = {
        "Check": grpc.unary_unary_rpc_method_handler(check),
        "Watch": grpc.unary_stream_rpc_method_handler(watch),
    }
    return grpc.method_handlers_generic_handler(NAME, calls)


def _answer(state: Any) -> bytes:
    return bytes(pb.HealthCheckResponse(status=state).SerializeToString())
