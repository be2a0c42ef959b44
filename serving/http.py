"""Operations of a format as HTTP routes: bodies within limits, clients that leave, errors, counts.

Knows no format: a format names its operations, the body of its errors, and their schemas.
"""

import asyncio
import logging
import re
import time
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar, cast

from pydantic import BaseModel, ValidationError
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive

from errors import TryoutError
from feedback.records import compact_json
from serving.access import Access, Scope
from serving.admission import admit, let_in
from serving.bodies import FORM
from serving.errors import (
    FAILED,
    BodyTimedOut,
    Failed,
    Malformed,
    MethodNotAllowed,
    NotReady,
    TooLarge,
    UnsupportedMediaType,
    headers_of,
    status_of,
)
from serving.limits import Limits
from serving.requests import RequestCounts, log_request

logger = logging.getLogger(f"tryout.{__name__}")

JSON = "application/json"
ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
CLIENT_GONE = 499  # nginx's number for a client that did not wait; nobody reads the answer
LARGE_BODY_BYTES = 100_000  # from here on a body is parsed in a thread
MAX_MISTAKES = 1000  # with more, none is named: the list of a million takes gigabytes

# An event of a stream; its data is JSON.
EVENT_SCHEMA = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}

SEE_PAGE = "The API's page, /api/docs, has the form."


Handler = Callable[[Request, bytes], Awaitable[Response]]
Parsed = TypeVar("Parsed", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A method of a path: its handler, and its description for the OpenAPI document.

    `request` is the schema of a JSON body, `other_requests` has those of bodies that are not JSON,
    by media type. `responses` has the schema of the answer by media type; `statuses` are those of
    errors, besides the ones that every operation can have.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    # That a key must have; "any" is any key, whose scopes the handler asks; None is open to all.
    scope: Scope | Literal["any"] | None = "predict"
    closed: bool = False  # it needs such a key even if there are no keys
    query: Mapping[str, Any] = field(default_factory=dict)  # parameters of the URL, schemas by name
    request: type[BaseModel] | None = None
    other_requests: Mapping[str, Any] = field(default_factory=dict)
    answers: tuple[int, ...] = (200,)  # the statuses of an answer that is no error
    responses: dict[str, Any] = field(default_factory=dict)
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Format:
    """A wire format: its operations, and the JSON body of an error with its schema.

    With `slash` a path may also end with a slash.
    """

    name: str
    operations: tuple[Operation, ...]
    error: Callable[[TryoutError], Any]
    error_schema: type[BaseModel]
    slash: bool = False


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The rules for all requests: who may do what, how large a body may be; and their counts."""

    access: Access
    limits: Limits
    counts: RequestCounts
    cors: Sequence[str] = ()  # the origins whose pages may ask, "*" for all

    @property
    def middleware(self) -> list[Middleware]:
        """The answers to browsers that ask for a page of another origin, if any may."""
        if not self.cors:
            return []
        return [
            Middleware(
                CORSMiddleware,
                allow_origins=list(self.cors),
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=["Retry-After"],
            )
        ]


def routes_of(wire: Format, gate: Gate) -> list[Route]:
    """A route for each path of the format; a method that it does not have is an error too."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in wire.operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    return [
        any_method(path + end, _endpoint(wire, methods, gate), gate.middleware)
        for path, methods in by_path.items()
        for end in (("", "/") if wire.slash else ("",))
    ]


def any_method(
    path: str, endpoint: Callable[[Request], Any], middleware: Sequence[Middleware] = ()
) -> Route:
    """A route that takes all methods; a parameter of its path may have line breaks."""
    route = Route(path, endpoint, methods=ANY_METHOD, middleware=middleware)
    route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)
    return route


def _endpoint(
    wire: Format, methods: dict[str, Operation], gate: Gate
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def endpoint(request: Request) -> Response:
        started_s = time.perf_counter()

        def note(status: int) -> None:
            gate.counts.add(wire.name, status)
            _log(request, wire.name, status, time.perf_counter() - started_s)

        response = await _answer(wire, methods, gate, request)
        if isinstance(response, StreamingResponse):
            stream = cast(AsyncGenerator[Any], response.body_iterator)
            response.body_iterator = _noted(stream, response.status_code, note)
        else:
            note(response.status_code)
        return response

    return endpoint


async def _noted(
    stream: AsyncGenerator[Any], status_at_end: int, note: Callable[[int], None]
) -> AsyncGenerator[Any]:
    """The parts of a stream; its status is noted when it ends, or is left, which has another."""
    status = CLIENT_GONE
    try:
        async with aclosing(stream):
            async for part in stream:
                yield part
        status = status_at_end
    except Exception:
        status = status_of(Failed(FAILED)).http
        raise
    finally:
        note(status)


async def _answer(
    wire: Format, methods: dict[str, Operation], gate: Gate, request: Request
) -> Response:
    """The handler's response, or the format's response to an error; raises nothing."""
    try:
        method = "GET" if request.method == "HEAD" else request.method
        if method not in methods:
            raise MethodNotAllowed(request.method, request.url.path, tuple(methods))
        scope = methods[method].scope
        if scope == "any":
            request.state.caller = let_in(request, gate.access)
        elif scope:
            admit(request, gate.access, scope, closed=methods[method].closed)
        body = await read_body(request, gate.limits) if method in ("POST", "PUT", "PATCH") else b""
        return await while_connected(request, methods[method].handler(request, body))
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)
    except asyncio.CancelledError:  # the server does not wait any longer for what runs
        return error_response(wire, NotReady("The service ends now. Try again in a moment."))
    except TryoutError as error:
        return error_response(wire, error)
    except Exception:
        logger.exception("%s %s failed", request.method, request.url.path)
        return error_response(wire, Failed(FAILED))


def error_response(wire: Format, error: TryoutError) -> Response:
    """The error in the format's own body, with the status and the headers of its kind."""
    return json_response(wire.error(error), status_of(error).http, headers_of(error))


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`value` as JSON in ASCII: a text may have lone surrogates, which UTF-8 cannot hold."""
    return Response(compact_json(value), status, headers, JSON)


async def sse_response(events: AsyncGenerator[bytes]) -> Response:
    """Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    Waits for the first event, so that an error before it still has a status of its own.
    """
    first = await anext(events)

    async def all_events() -> AsyncGenerator[bytes]:
        async with aclosing(events):
            yield first
            async for event in events:
                yield event

    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(all_events(), headers=headers, media_type="text/event-stream")


def sse(value: Any, *, event: str = "") -> bytes:
    """A server-sent event with `value` as JSON."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {compact_json(value)}\n\n".encode()


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body of a request.

    Raises TooLarge, BodyTimedOut, UnsupportedMediaType for a body that is compressed, and
    ClientDisconnect.
    """
    too_large = TooLarge(
        f"The body has more than {limits.max_body_bytes:,} bytes. Send fewer texts at once."
    )
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limits.max_body_bytes:
        raise too_large
    encoding = request.headers.get("content-encoding", "").strip()
    if encoding.lower() not in ("", "identity"):
        raise UnsupportedMediaType(
            f"The body's Content-Encoding is {encoding[:40]!r}. Send it without compression."
        )
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.max_body_bytes:
                    raise too_large
    except TimeoutError as error:
        raise BodyTimedOut(
            f"The body did not arrive within {limits.body_timeout_s:g} s; {len(body):,} bytes did."
        ) from error
    return bytes(body)


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled if the client goes away: ClientDisconnect."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_left(request.receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))


async def _left(receive: Receive) -> None:
    """Returns when the client has gone away; its body was read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


def media_type(request: Request) -> str:
    """The type of the body in lower case without its parameters; "" if it is not stated."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def require_json(request: Request, *, others: Collection[str] = ()) -> None:
    """Raises UnsupportedMediaType for a body that says that it is neither JSON nor of `others`."""
    stated = media_type(request)
    if stated and stated not in (JSON, *others) and not stated.endswith("+json"):
        raise UnsupportedMediaType(
            f"The body's Content-Type is {stated[:80]!r}. Send Content-Type: "
            f"{', '.join((JSON, *others))}."
        )


async def parsed(kind: type[Parsed], request: Request, body: bytes) -> Parsed:
    """The JSON body as a value of `kind`.

    Raises Malformed with the place of the first error, UnsupportedMediaType as `require_json`.
    """
    require_json(request)
    return await parsed_json(kind, body)


async def parsed_json(kind: type[Parsed], body: bytes) -> Parsed:
    """JSON as a value of `kind`; raises Malformed with the place of the first error."""
    return await read_in_thread(partial(parse_json, kind), body)


async def read_in_thread(read: Callable[[bytes], T], body: bytes) -> T:
    """The result of `read`, which has a thread to itself if the body is large."""
    if len(body) > LARGE_BODY_BYTES:
        return await asyncio.to_thread(read, body)
    return read(body)


def parse_json(kind: type[Parsed], body: bytes) -> Parsed:
    """As `parsed_json`, in this thread."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise Malformed(_sentence(error)) from error


def validated(kind: type[Parsed], values: Mapping[str, Any]) -> Parsed:
    """Values by name as a value of `kind`; raises Malformed with the place of the first error."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise Malformed(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    if error.error_count() > MAX_MISTAKES:
        return f"The body has {error.error_count():,} mistakes. {SEE_PAGE}"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        reason = first["msg"].removeprefix("Invalid JSON: ")
        return f"The body is not valid JSON: {reason[:200]}."
    place = ".".join(part for part in map(str, first["loc"]) if not part.startswith(FORM))[:200]
    return f"{place or 'The body'}: {first['msg'][:200]}. {SEE_PAGE}"


def _log(request: Request, format_name: str, status: int, took_s: float) -> None:
    """The line of a request; its path is the route's, since a path can have a name in it."""
    log_request(
        method=request.method,
        path=getattr(request.scope.get("route"), "path", "-"),
        format_name=format_name,
        status=status,
        took_s=took_s,
        traceparent=request.headers.get("traceparent", ""),
        key=getattr(request.state, "key", ""),
    )
