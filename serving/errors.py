"""The table of errors: the HTTP status and the gRPC code of each kind; and the errors of requests.

Knows no format: a format puts the status and the sentence into a body of its own.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from errors import Busy, InvalidInput, TimedOut, TryoutError, Unavailable

FAILED = "The service failed; its owner finds the details in the log."


class Malformed(InvalidInput):
    """The request does not have the form that its format prescribes."""


class Refused(InvalidInput):
    """The request has the form of its format, and asks for something that cannot be."""


class Unauthorized(InvalidInput):
    """The request has no valid key."""


class Forbidden(InvalidInput):
    """The key does not allow the request."""


class NotFound(InvalidInput):
    """There is nothing by the name that the request has."""


class NoSuchCall(NotFound):
    """There is no such call of gRPC."""


class MethodNotAllowed(InvalidInput):
    """The path does not take this method; `allowed` are those that it takes."""

    def __init__(self, method: str, path: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{path} does not take {method}. Use {' or '.join(allowed)}.")
        self.allowed = allowed


class BodyTimedOut(InvalidInput):
    """The body of the request did not arrive in time."""


class TooLarge(InvalidInput):
    """The request has more bytes or texts than the service takes at once."""


class UnsupportedMediaType(InvalidInput):
    """The body is of a type that the route does not read."""


class RateLimited(Busy):
    """The caller has used up its requests; `wait_s` is the time until the next, in seconds."""

    def __init__(self, per_minute: int, *, wait_s: float) -> None:
        super().__init__(
            f"More than {per_minute:,} requests a minute. Try again in {math.ceil(wait_s)} s."
        )
        self.wait_s = wait_s


class NotReady(Unavailable):
    """The model is being loaded, could not be loaded, or the process is about to end."""


class NotInstalled(TryoutError):
    """An optional part of the service whose packages are not installed."""


class CannotListen(TryoutError):
    """A port or a certificate cannot be used."""


class Failed(TryoutError):
    """Something that nobody expected; the details are in the log."""


class Status(NamedTuple):
    """The HTTP status, and the name of the gRPC code."""

    http: int
    grpc: str


TABLE: Mapping[type[BaseException], Status] = {
    Malformed: Status(400, "INVALID_ARGUMENT"),
    Unauthorized: Status(401, "UNAUTHENTICATED"),
    Forbidden: Status(403, "PERMISSION_DENIED"),
    NotFound: Status(404, "NOT_FOUND"),
    NoSuchCall: Status(404, "UNIMPLEMENTED"),
    MethodNotAllowed: Status(405, "UNIMPLEMENTED"),
    BodyTimedOut: Status(408, "DEADLINE_EXCEEDED"),
    TooLarge: Status(413, "INVALID_ARGUMENT"),
    UnsupportedMediaType: Status(415, "INVALID_ARGUMENT"),
    InvalidInput: Status(422, "INVALID_ARGUMENT"),
    Busy: Status(429, "RESOURCE_EXHAUSTED"),
    NotInstalled: Status(501, "UNIMPLEMENTED"),
    Unavailable: Status(503, "UNAVAILABLE"),
    TimedOut: Status(504, "DEADLINE_EXCEEDED"),
    TryoutError: Status(500, "INTERNAL"),
}


def status_of(error: TryoutError) -> Status:
    """The status of the kind of `error` that is most specific."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)


def headers_of(error: TryoutError) -> dict[str, str]:
    """The headers that go with the status: the time to retry in whole seconds, allowed methods."""
    match error:
        case MethodNotAllowed():
            return {"Allow": ", ".join(error.allowed)}
        case Unauthorized():
            return {"WWW-Authenticate": "Bearer"}
        case Busy():
            return {"Retry-After": str(max(1, math.ceil(error.wait_s)))}
        case Unavailable():
            return {"Retry-After": "1"}
        case _:
            return {}
