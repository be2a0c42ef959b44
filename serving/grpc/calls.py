"""Calls of formats over gRPC: keys, deadlines, errors by their codes, counts, the line in the log.

Knows no format: a format names its calls and their messages. Everything runs on the event loop of
the server, and no thread waits for a call.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any, NoReturn
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError, Message

from errors import TryoutError
from serving.access import Access, Scope
from serving.errors import (
    FAILED,
    Failed,
    Forbidden,
    Malformed,
    NoSuchCall,
    Unauthorized,
    headers_of,
    status_of,
)
from serving.requests import log_request
from serving.service import Service

logger = logging.getLogger(f"tryout.{__name__}")

OK = "OK"
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its message, its metadata, and the seconds that its caller waits."""

    message: Any
    headers: Headers
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call with a message and an answer."""

    name: str
    request: type[Message]
    answer: Callable[[Asked], Awaitable[Message]]
    scope: Scope | None = "predict"  # that a key must have; None is open to all


@dataclass(frozen=True, kw_only=True)
class StreamCall:
    """A call with messages, each of which has some answers; an error is an answer, too."""

    name: str
    request: type[Message]
    answers: Callable[[Asked], AsyncGenerator[Message]]
    error: Callable[[Any, TryoutError], Message]
    scope: Scope = "predict"


@dataclass(frozen=True, kw_only=True)
class Format:
    """A service of a wire format by its full name, and its calls; `name` is for counts and log."""

    name: str
    service: str
    calls: tuple[Call | StreamCall, ...]


class Calls:
    """The handlers of the calls of a service, and the number of requests that run."""

    def __init__(self, service: Service, access: Access) -> None:
        self._service = service
        self._access = access
        self.running = 0

    def handler(self, wire: Format) -> grpc.GenericRpcHandler:
        """The handler of a format's calls."""
        handlers = {
            call.name: self._stream(wire, call)
            if isinstance(call, StreamCall)
            else self._unary(wire, call)
            for call in wire.calls
        }
        return grpc.method_handlers_generic_handler(wire.service, handlers)

    def _unary(self, wire: Format, call: Call) -> grpc.RpcMethodHandler:
        async def answer(raw: bytes, context: grpc.aio.ServicerContext) -> bytes:
            try:
                with self._request(wire, call, context) as headers:
                    asked = Asked(parsed(call.request, raw), headers, _timeout_s(context))
                    return bytes((await call.answer(asked)).SerializeToString())
            except TryoutError as error:
                await abort(context, error)

        # Messages are parsed by the handler: one that cannot be is an error like any other.
        return grpc.unary_unary_rpc_method_handler(answer)

    def _stream(self, wire: Format, call: StreamCall) -> grpc.RpcMethodHandler:
        async def answer_to(raw: bytes, context: grpc.aio.ServicerContext) -> None:
            message = None
            try:
                with self._request(wire, call, context) as headers:
                    message = parsed(call.request, raw)
                    asked = Asked(message, headers, _timeout_s(context))
                    async with aclosing(call.answers(asked)) as answers:
                        async for answer in answers:
                            await context.write(answer.SerializeToString())
            except (Unauthorized, Forbidden):
                raise
            except TryoutError as error:
                await context.write(call.error(message, error).SerializeToString())

        async def stream(messages: Any, context: grpc.aio.ServicerContext) -> None:
            try:
                async for raw in messages:
                    await answer_to(raw, context)
            except TryoutError as error:
                await abort(context, error)

        return grpc.stream_stream_rpc_method_handler(stream)

    @contextmanager
    def _request(
        self, wire: Format, call: Call | StreamCall, context: grpc.aio.ServicerContext
    ) -> Iterator[Headers]:
        """The metadata of a request that may run; whatever comes of it is counted and in the log.

        Raises Unauthorized, Forbidden, RateLimited, and NotReady from when the process is about to
        end; and Failed for an exception that nobody expected.
        """
        started_s, key, code = time.perf_counter(), "", OK
        headers = {
            name: value
            for name, value in context.invocation_metadata() or ()
            if isinstance(value, str)
        }
        self.running += 1
        try:
            if call.scope:
                authorization = headers.get("authorization", "")
                key = self._access.admit(authorization, address_of(context.peer()), call.scope)
                self._service.require_running()
            yield headers
        except asyncio.CancelledError:
            code = "DEADLINE_EXCEEDED" if _timeout_s(context) <= 0 else "CANCELLED"
            raise
        except TryoutError as error:
            code = status_of(error).grpc
            raise
        except Exception as error:
            code = status_of(Failed(FAILED)).grpc
            logger.exception("%s of %s failed", call.name, wire.service)
            raise Failed(FAILED) from error
        finally:
            self.running -= 1
            self._service.requests.add(wire.name, code)
            log_request(
                method="GRPC",
                path=f"/{wire.service}/{call.name}",
                format_name=wire.name,
                status=code,
                took_s=time.perf_counter() - started_s,
                traceparent=headers.get("traceparent", ""),
                key=key,
            )


class Unknown(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """The handler of all other calls: UNIMPLEMENTED, with a sentence."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def refuse(messages: Any, context: grpc.aio.ServicerContext) -> None:
            sentence = f"There is no call {details.method[:200]} here. Reflection lists the others."
            await abort(context, NoSuchCall(sentence))

        # Whatever has one message or many looks the same on the wire.
        return grpc.stream_stream_rpc_method_handler(refuse)


def address_of(peer: str) -> str:
    """The host of a peer such as ipv4:127.0.0.1:1234 or ipv6:%5B::1%5D:1234."""
    _, _, address = unquote(peer).partition(":")
    return address.rpartition(":")[0].strip("[]") or address


def parsed(kind: type[Message], raw: bytes) -> Any:
    """The bytes as a message; raises Malformed."""
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise Malformed(
            f"The message is not of the type {kind.DESCRIPTOR.full_name}, or a string in it is "
            "not UTF-8."
        ) from error


def _timeout_s(context: grpc.aio.ServicerContext) -> float:
    """The seconds until the deadline of a call; infinite if it has none."""
    remaining_s = context.time_remaining()
    return inf if remaining_s is None else float(remaining_s)


async def abort(context: grpc.aio.ServicerContext, error: TryoutError) -> NoReturn:
    """Ends a call with the code of the error and its sentence.

    The time to retry, in whole seconds, is `retry-after` in the trailing metadata.
    """
    code = getattr(grpc.StatusCode, status_of(error).grpc)
    wait_s = headers_of(error).get("Retry-After")
    await context.abort(code, str(error), (("retry-after", wait_s),) if wait_s else ())
    raise error  # abort itself raises, which mypy cannot see
