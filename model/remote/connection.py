"""Requests to a service: kept connections, a token, retries, a circuit, errors as sentences.

Knows no format: bodies and paths are its caller's. Lone surrogates, which JSON in UTF-8 cannot
hold, are replaced on the way.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Any

import httpx2

from model.errors import (
    InputError,
    ModelBusy,
    ModelError,
    ModelTimedOut,
    ModelUnreachable,
)
from model.tokenizer import LONE_SURROGATES

logger = logging.getLogger(f"tryout.{__name__}")

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 600.0  # the queue's deadline and the model's work are the service's business
BACKOFF_S = (0.1, 0.3, 0.9)  # before each further attempt, if the first cannot have run
OPENS_AFTER = 3  # failures in a row
TRIES_AGAIN_S = 2.0  # after which an open circuit lets a request through
KEPT_CONNECTIONS = 20
INVALID = (400, 413, 415, 422)
REFUSED_KEY = (401, 403)
AWAY = (502, 503)
SENTENCES = ("error", "message", "detail", "msg")  # fields of errors, the first that is there


class Circuit:
    """Closed while requests get answers; open after failures in a row, but for a trial each 2 s."""

    def __init__(self) -> None:
        self._failures = 0
        self._tried_s = 0.0
        self._sentence = ""

    def require_closed(self) -> None:
        """Raises ModelUnreachable, as the last failure did, if it is open and no trial is due."""
        if self._is_open and time.monotonic() - self._tried_s < TRIES_AGAIN_S:
            raise ModelUnreachable(self._sentence)

    def begin(self) -> None:
        """Notes that a request begins, which is the trial if it is open; raises as above."""
        self.require_closed()
        self._tried_s = time.monotonic()

    @property
    def _is_open(self) -> bool:
        return self._failures >= OPENS_AFTER

    def answered(self) -> None:
        if self._is_open:
            logger.info("The model is reached again")
        self._failures = 0

    def failed(self, error: ModelUnreachable) -> None:
        self._failures, self._tried_s, self._sentence = (
            self._failures + 1,
            time.monotonic(),
            str(error),
        )
        if self._failures == OPENS_AFTER:
            logger.warning("%s", error)


class Connection:
    """The requests to one service, on an event loop; each raises ModelError with a sentence."""

    def __init__(self, url: str, *, token: str, headers: Mapping[str, str]) -> None:
        """Opens nothing yet. The token goes to `url` only: redirects are not followed."""
        self.address = url  # as it is set, for a format whose requests all go there
        self.url = url.rstrip("/")
        self.circuit = Circuit()
        key = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx2.AsyncClient(
            base_url=self.url,
            headers={**headers, **key},
            follow_redirects=False,
            timeout=httpx2.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS),
        )

    async def json(
        self, method: str, path: str, body: Any = None, *, timeout_s: float = float("inf")
    ) -> Any:
        """The answer's JSON; the request is repeated only if it cannot have run.

        `path` continues the URL, or is a URL of the same host. Raises ModelTimedOut if no answer
        has begun after `timeout_s`.
        """
        async with self.stream(method, path, body, timeout_s=timeout_s) as response:
            content = await self._read(response)
        try:
            return json.loads(content)
        except ValueError as error:
            text = content.decode(errors="replace").strip()
            answer = "a page" if text.startswith("<") else repr(text[:80])
            raise ModelError(
                f"{self.url} answered {answer}, which is not JSON. Check model.url."
            ) from error

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, body: Any = None, *, timeout_s: float = float("inf")
    ) -> AsyncGenerator[httpx2.Response]:
        """The response to a request that succeeded; its body is still to be read."""
        try:
            async with asyncio.timeout(timeout_s if timeout_s < float("inf") else None):
                response = await self._send(method, path, body)
        except TimeoutError as error:
            raise ModelTimedOut(1.0, waited_s=timeout_s) from error
        try:
            yield response
        finally:
            await response.aclose()

    @contextmanager
    def reading(self, remedy: str) -> Iterator[None]:
        """Raises ModelError for an answer that breaks off, or that has another form."""
        try:
            yield
        except httpx2.TransportError as error:
            raise self.lost(error) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"The answer of {self.url} is not understood ({error!r:.200}). {remedy}"
            ) from error

    async def _send(self, method: str, path: str, body: Any) -> httpx2.Response:
        """Sends a request, and again after a while if it cannot have run."""
        self.circuit.begin()
        for wait_s in BACKOFF_S:
            try:
                return await self._send_once(method, path, body)
            except (ModelBusy, ModelUnreachable) as error:
                if isinstance(error, ModelTimedOut):
                    raise
                if isinstance(error, ModelUnreachable) and error.may_have_run:
                    raise
            await asyncio.sleep(wait_s)
        try:
            return await self._send_once(method, path, body)
        except ModelUnreachable as error:
            if not error.may_have_run:
                self.circuit.failed(error)  # a failure is a request, with all of its attempts
            raise

    async def _send_once(self, method: str, path: str, body: Any) -> httpx2.Response:
        try:
            request = self._client.build_request(method, path, **_content(body))
            response = await self._client.send(request, stream=True)
        except httpx2.TransportError as error:
            if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
                raise self._unreachable(error, may_have_run=False) from error
            raise self.lost(error) from error
        if response.status_code not in AWAY:
            self.circuit.answered()
        if response.is_success:
            return response
        await self._read(response)  # which closes it
        raise error_of(response.status_code, sentence(response), self.url, wait_s=_wait_s(response))

    async def _read(self, response: httpx2.Response) -> bytes:
        try:
            return await response.aread()
        except httpx2.TransportError as error:
            raise self.lost(error) from error

    def lost(self, error: httpx2.TransportError) -> ModelUnreachable:
        """The error of a connection that broke before the answer was whole."""
        failure = self._unreachable(error, may_have_run=True)
        self.circuit.failed(failure)
        return failure

    def _unreachable(self, error: httpx2.TransportError, *, may_have_run: bool) -> ModelUnreachable:
        reason = str(error).strip().rstrip(".") or type(error).__name__
        return ModelUnreachable(
            f"The model at {self.url} cannot be reached: {reason[:200]}. Try again in a moment.",
            may_have_run=may_have_run,
        )

    async def close(self) -> None:
        await self._client.aclose()


def _content(body: Any) -> dict[str, Any]:
    """The arguments of httpx2 for a body of JSON, none without a body."""
    if body is None:
        return {}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    try:
        content = text.encode()
    except UnicodeEncodeError:
        content = text.translate(LONE_SURROGATES).encode()
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def error_of(status: int, message: str, url: str, *, wait_s: float = 1.0) -> ModelError:
    """The error for a status, with the service's sentence; a Busy one tells the seconds to wait."""
    if status in INVALID:
        return InputError(message)
    if status in REFUSED_KEY:
        return ModelError(f"{url} refuses the key: {message} Set TRYOUT_MODEL__TOKEN.")
    if status == 429:
        return ModelBusy(wait_s, message=message)
    if status == 504:
        return ModelTimedOut(wait_s, message=message)
    if status == 503:
        return ModelUnreachable(message)
    if status == 502:  # by a proxy, whose page is not for readers
        return ModelUnreachable(
            f"The model at {url} cannot be reached: its proxy gets no answer. Try again in a "
            "moment.",
            may_have_run=True,
        )
    if status in (404, 405):
        return ModelError(
            f"{url} answered with status {status}: {message} Check model.url and model.api."
        )
    if 300 <= status < 400:
        return ModelError(f"{url} redirects elsewhere. Set model.url to the final address.")
    return ModelError(f"{url} answered with status {status}: {message}")


def sentence(response: httpx2.Response) -> str:
    """The sentence of an error in the formats that have JSON for it, else the body's beginning.

    A page of a proxy is replaced by the name of the status.
    """
    try:
        value = response.json()
    except ValueError:
        text = response.text.strip()
        is_page = text.startswith("<") or not text
        return _name(response.status_code) if is_page else _ended(text[:200])
    wait_s = value.get("estimated_time") if isinstance(value, dict) else None
    later = f" It takes about {wait_s:.0f} s." if isinstance(wait_s, int | float) else ""
    return _ended(sentence_in(value)[:500]) + later


def sentence_in(value: Any) -> str:
    """The sentence in the JSON of an error, by the fields in which formats have it."""
    while isinstance(value, dict):
        value = next((value[name] for name in SENTENCES if value.get(name)), str(value))
    if isinstance(value, list):
        return " ".join(map(sentence_in, value))
    return str(value)


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _name(status: int) -> str:
    try:
        return f"{HTTPStatus(status).phrase}."
    except ValueError:
        return "It gives no reason."


def _wait_s(response: httpx2.Response) -> float:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 1.0
