"""The standard reflection service, by the servicer of its package.

https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. Only messages are parsed here,
since grpcio answers one that cannot be parsed as a failure of the service, and logs a traceback.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from errors import TryoutError
from serving.grpc.calls import abort, parsed

NAME = str(reflection.SERVICE_NAME)


def reflecting(names: Sequence[str]) -> grpc.GenericRpcHandler:
    """The handler that lists the services `names`, and itself."""
    servicer = reflection.aio.ReflectionServicer([*names, NAME])

    async def info(messages: Any, context: grpc.aio.ServicerContext) -> None:
        async def requests() -> AsyncGenerator[Any]:
            async for raw in messages:
                yield parsed(reflection_pb2.ServerReflectionRequest, raw)

        try:
            async for answer in servicer.ServerReflectionInfo(requests(), context):
                await context.write(answer.SerializeToString())
        except TryoutError as error:
            await abort(context, error)

    calls = {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(info)}
    return grpc.method_handlers_generic_handler(NAME, calls)
