"""A fuzzer of bytes: valid requests that are damaged, as HTTP and below it.

The same seed gives the same bytes. A damage is a function in one of the lists at the end; another
wire format needs valid requests only.
"""

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from tests.helpers.wire import Request

ODD = (
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xf0\x9f",
    b"\r\n\r\n",
    b'"',
    b"\\u0000",
    b"\\ud800",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 400,
    b"-1",
    b"null",
    b"[]",
    b"{}",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    10**30,
    1e308,
    "",
    " ",
    "\x00",
    "\u202e",
    "x" * 20_000,
    [],
    {},
    [[[[]]]],
    ["a"] * 1500,
    {"a": {"b": {}}},
)
TYPES = (
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/octet-stream",
    "application/jsonlines",
    "text/csv",
    "",
    "\xff",
    "a" * 5000,
)
LENGTHS = ("-1", "0", "1", "99999999999999999999", "0x10", "1e3", " ", "1,1", "many")
PATHS = (
    "/v2/models/" + "x" * 3000 + "/infer",
    "/v1/models/%00:predict",
    "/models/../../etc/passwd",
    "/api/predictions/%ff%fe/ratings",
    "/v2/models/bundled/versions/%0a/infer",
    "/api/%2e%2e/",
    "/v1/chat/completions",
    "/v1/completions",
    "/api/predictions/00000000-0000-0000-0000-000000000000/ratings",
)
METHODS = ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "CONNECT", "post", "XYZ")
DEEP = 50_000  # brackets


class Fuzzer:
    """Damaged requests, one after the other, as the bytes that are sent over a connection."""

    def __init__(self, requests: Sequence[Request], *, seed: int) -> None:
        self._requests = requests
        self._random = random.Random(seed)

    def next(self) -> bytes:
        """The bytes of the next connection."""
        chance, request = self._random, self._random.choice(self._requests)
        if chance.random() < 0.7:
            body = request.body
            for _ in range(chance.choice((1, 1, 2, 5))):
                body = chance.choice(OF_BODIES)(body, chance)
            return as_http(Request(request.path, body, request.headers))
        return chance.choice(OF_REQUESTS)(request, chance)


def as_http(request: Request, *, method: str = "POST", length: str | None = None) -> bytes:
    """The request as HTTP/1.1, with a length that is right unless another is given."""
    headers = {"Host": "x", **request.headers}
    headers["Content-Length"] = str(len(request.body)) if length is None else length
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{method} {request.path} HTTP/1.1\r\n{lines}\r\n"
    return head.encode("latin-1", "replace") + request.body


# --- damages of a body ----------------------------------------------------------------------------


def flip(body: bytes, chance: random.Random) -> bytes:
    """Some bits are others."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 8)):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(body: bytes, chance: random.Random) -> bytes:
    """A part is missing."""
    start, end = sorted(chance.randint(0, len(body)) for _ in range(2))
    return body[:start] + body[end:] if chance.random() < 0.5 else body[:start]


def repeat(body: bytes, chance: random.Random) -> bytes:
    """A part is there many times."""
    start, end = sorted(chance.randint(0, len(body)) for _ in range(2))
    return body[:end] + body[start:end] * chance.choice((1, 2, 50)) + body[end:]


def insert(body: bytes, chance: random.Random) -> bytes:
    """Bytes that are seldom good are between others."""
    at = chance.randint(0, len(body))
    return body[:at] + chance.choice(ODD) + body[at:]


def nest(body: bytes, chance: random.Random) -> bytes:
    """A value is very deep."""
    at = chance.randint(0, len(body))
    return body[:at] + chance.choice((b"[", b'{"a":', b"[{")) * DEEP + body[at:]


def other_number(body: bytes, chance: random.Random) -> bytes:
    """A number is another, or none."""
    numbers = list(re.finditer(rb"\d+", body))
    if not numbers:
        return insert(body, chance)
    number = chance.choice(numbers)
    other = chance.choice((b"-1", b"0", b"1.5", b"9" * 25, b"9" * 5000, b"1e999", b"NaN", b"null"))
    return body[: number.start()] + other + body[number.end() :]


def other_value(body: bytes, chance: random.Random) -> bytes:
    """A value of the JSON is of another type or size, or has another name, or company."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return flip(body, chance)
    try:
        return json.dumps(_changed(value, chance)).encode()
    except RecursionError:
        return flip(body, chance)


def _changed(value: Any, chance: random.Random) -> Any:
    """The value, changed somewhere in it."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(list(value))
        if chance.random() < 0.15:
            return {(name + "x" if key == name else key): each for key, each in value.items()}
        if chance.random() < 0.15:
            return value | {chance.choice(("params", "stream", "id", "")): chance.choice(VALUES)}
        return value | {name: _changed(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        return [*value[:at], _changed(value[at], chance), *value[at + 1 :]]
    return chance.choice(VALUES)


# --- damages of a request -------------------------------------------------------------------------


def other_type(request: Request, chance: random.Random) -> bytes:
    headers = {**request.headers, "Content-Type": chance.choice(TYPES)}
    return as_http(Request(request.path, request.body, headers))


def other_length(request: Request, chance: random.Random) -> bytes:
    return as_http(request, length=chance.choice(LENGTHS))


def other_tensor_length(request: Request, chance: random.Random) -> bytes:
    """The header of binary tensors lies."""
    stated = chance.choice((*LENGTHS, str(chance.randint(0, 2 * len(request.body))), "٣"))
    headers = {**request.headers, "Inference-Header-Content-Length": stated}
    return as_http(Request(request.path, request.body, headers))


def other_path(request: Request, chance: random.Random) -> bytes:
    return as_http(Request(chance.choice(PATHS), request.body, request.headers))


def other_method(request: Request, chance: random.Random) -> bytes:
    return as_http(request, method=chance.choice(METHODS))


def other_headers(request: Request, chance: random.Random) -> bytes:
    """Headers that are long, doubled, or mean something to a server."""
    more = chance.choice(
        (
            {"X" * 3000: "y"},
            {f"X-{n}": "y" for n in range(300)},
            {"Content-Encoding": "gzip"},
            {"Transfer-Encoding": "chunked"},
            {"Expect": "100-continue"},
            {"Upgrade": "websocket", "Connection": "Upgrade"},
            {"Authorization": "Bearer \xff"},
            {"traceparent": "00-" + "\xe9" * 32 + "-1-1"},
            {"X-Tryout-Log": "\x01"},
            {"Accept": "image/png"},
            {"Accept": "," * 3000},
        )
    )
    return as_http(Request(request.path, request.body, {**request.headers, **more}))


def chunked(request: Request, chance: random.Random) -> bytes:
    """A body in chunks, whose sizes are right or not."""
    head = as_http(Request(request.path, b"", request.headers), length="0")
    head = head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunks = []
    for start in range(0, len(request.body), 7):
        chunk = request.body[start : start + 7]
        size = len(chunk) if chance.random() < 0.97 else chance.choice((0, 1, 2**40))
        chunks.append(b"%x\r\n%s\r\n" % (size, chunk))
    return head + b"".join(chunks) + chance.choice((b"0\r\n\r\n", b"", b"x\r\n", b"0\r\n"))


def pipelined(request: Request, chance: random.Random) -> bytes:
    """A valid request, and then others or none in the same bytes."""
    valid = as_http(request)
    return valid + chance.choice((valid, chance.randbytes(300), valid[: len(valid) // 2], ODD[0]))


def garbage(request: Request, chance: random.Random) -> bytes:
    """Nothing of HTTP."""
    return chance.choice(
        (
            chance.randbytes(chance.randint(1, 2000)),
            b"\x16\x03\x01" + chance.randbytes(200),  # as TLS begins
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(50),
            flip(as_http(request), chance),
            cut(as_http(request), chance),
            b"POST " + b"/" * 70_000,
        )
    )


def _damaged_twice(request: Request, chance: random.Random) -> bytes:
    return other_tensor_length(Request(request.path, flip(request.body, chance)), chance)


OF_BODIES: Sequence[Callable[[bytes, random.Random], bytes]] = (
    *(flip, cut, repeat, insert, nest, other_number),
    *(other_value,) * 6,  # what a JSON parser takes goes furthest
)
OF_REQUESTS: Sequence[Callable[[Request, random.Random], bytes]] = (
    other_type,
    other_length,
    other_tensor_length,
    other_path,
    other_method,
    other_headers,
    chunked,
    pipelined,
    garbage,
    _damaged_twice,
)
