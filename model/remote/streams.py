"""Requests of which the answer is a text that grows: as events, or whole where a server has none.

Knows no format. Some servers refuse a field that others need to count tokens; it is left out once a
server has taken a request without it and not with it.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx2

from model.errors import InputError
from model.remote.connection import Connection

EVENTS = "text/event-stream"
END = "[DONE]"  # the last event of OpenAI's streams, which is no JSON
END_S = 1.0  # for which the end of a body is waited for, after its last event


class Streams:
    """The streams of a server at one path or more."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._takes_extra = True

    @asynccontextmanager
    async def open(
        self,
        path: str,
        body: Mapping[str, Any],
        body_with_extra: Mapping[str, Any],
        timeout_s: float,
    ) -> AsyncGenerator[httpx2.Response]:
        """The response to `body_with_extra`, or to `body` where the server refuses the former."""

        def opened(sent: Mapping[str, Any]) -> Any:
            return self._connection.stream("POST", path, sent, timeout_s=timeout_s)

        async with AsyncExitStack() as stack:
            if not self._takes_extra:
                response = await stack.enter_async_context(opened(body))
            else:
                try:
                    response = await stack.enter_async_context(opened(body_with_extra))
                except InputError:
                    response = await stack.enter_async_context(opened(body))
                    self._takes_extra = False
            yield response


async def parts(
    response: httpx2.Response, *, is_last: Callable[[Any], bool] = lambda value: False
) -> AsyncGenerator[Any]:
    """The JSON of each event, until the last; or that of the body, which is not a stream.

    The last one is `is_last`, or END. Whoever reads on until there is no more has the connection
    kept: the body then is at its end, too.
    """
    if not response.headers.get("content-type", "").startswith(EVENTS):
        yield json.loads(await response.aread(), strict=False)
        return
    events = aiter(httpx2.EventSource(response))
    async for event in events:
        if event.data.strip() == END:
            break
        value = json.loads(event.data, strict=False)  # some put bare control characters into errors
        yield value
        if is_last(value):
            break
    with suppress(TimeoutError, httpx2.TransportError):
        async with asyncio.timeout(END_S):
            async for _ in events:
                pass
