"""The service over gRPC in this process, behind a real port, and calls of it by a stock client."""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import grpc

from serving.access import Access
from serving.grpc.protos import open_inference_pb2 as pb
from serving.grpc.server import GrpcServer
from serving.service import Service

INFERENCE = "/inference.GRPCInferenceService/"


@contextmanager
def grpc_listening(
    service: Service,
    *,
    keys: Sequence[Mapping[str, Any]] = (),
    requests_per_minute: int = 0,
    port: int = 0,
    **tls: Any,
) -> Iterator[str]:
    """The calls on a port of 127.0.0.1, a free one by default, by an event loop in a thread."""
    access = Access(keys, requests_per_minute=requests_per_minute)
    server = GrpcServer(service, access, host="127.0.0.1", port=port, **tls)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        listens_on = asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
        yield f"127.0.0.1:{listens_on}"
        asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        service.close()


def answer(channel: grpc.Channel, call: str, message: Any, kind: Any, **options: Any) -> Any:
    """The answer to a call by its whole name, with the type `kind`; raises grpc.RpcError."""
    method = channel.unary_unary(
        call,
        request_serializer=lambda given: given.SerializeToString(),
        response_deserializer=kind.FromString,
    )
    return method(message, **{"timeout": 60} | options)


def infer_request(*texts: bytes | str, **changes: Any) -> Any:
    """A request for the predictions of texts in typed contents; `changes` are of its input."""
    encoded = [text.encode() if isinstance(text, str) else text for text in texts]
    given = {
        "name": "text",
        "datatype": "BYTES",
        "shape": [len(texts)],
        "contents": {"bytes_contents": encoded},
    }
    return pb.ModelInferRequest(model_name="bundled", inputs=[given | changes])


def infer(channel: grpc.Channel, request: Any, **options: Any) -> Any:
    """The answer to ModelInfer."""
    return answer(channel, INFERENCE + "ModelInfer", request, pb.ModelInferResponse, **options)


def stream_infer(channel: grpc.Channel, requests: Iterator[Any], **options: Any) -> Any:
    """The call ModelStreamInfer, which is an iterator of its answers."""
    method = channel.stream_stream(
        INFERENCE + "ModelStreamInfer",
        request_serializer=lambda given: given.SerializeToString(),
        response_deserializer=pb.ModelStreamInferResponse.FromString,
    )
    return method(requests, **options)


def failure(call: Any) -> tuple[str, str]:
    """The code and the sentence of a call that must fail."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name, error.details()
    raise AssertionError("the call did not fail")
