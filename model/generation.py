"""A text while it is generated: its beginning, and the way to stop it.

Knows no model: the worker thread adds tokens, other threads read the text.
"""

import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from typing import Any, NamedTuple

from model.errors import ModelError
from model.futures import is_done
from model.prediction import Prediction

UNREAD_S = 5.0  # a text that was not read for so many seconds is stopped


class Grown(NamedTuple):
    """A generated text so far, and the number of its tokens."""

    text: str
    tokens: int


async def whole(events: AsyncGenerator[Any], *, missing: str) -> Prediction:
    """The prediction among the events of a text that grows, which are closed then.

    Raises ModelError with the sentence `missing` if they end without it.
    """
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Prediction):
                return event
    raise ModelError(missing)


class Generation:
    """A text that is being generated; `future` gets its prediction.

    A reader calls `wait` again and again. Without a call for 5 s the text is stopped, since its
    reader has closed the page.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        *,
        readers_stay: bool,
        prompt_tokens: int | None = None,
    ) -> None:
        """`decode` gives the text of token ids.

        With `readers_stay` the reader waits for `future` alone, and need not call `wait`.
        `prompt_tokens` is the number of tokens that the model reads first, None if not known.
        """
        self.future: Future[Prediction] = Future()
        self.prompt_tokens = prompt_tokens
        self._decode = decode
        self._readers_stay = readers_stay
        self._stop = threading.Event()
        self._ids: Sequence[int] = ()
        self._asked_s = time.monotonic()

    def wait(self, timeout_s: float) -> bool:
        """True once the text has ended or was stopped; waits at most `timeout_s` seconds."""
        self._asked_s = time.monotonic()
        return is_done(self.future, timeout_s)

    @property
    def begun(self) -> bool:
        """True once its turn has come."""
        return self.future.running() or self.future.done()

    @property
    def text(self) -> str:
        """The text so far, without the bytes of a character that is not complete yet."""
        return self._decode(self._ids).rstrip("\N{REPLACEMENT CHARACTER}")

    @property
    def tokens(self) -> int:
        """The number of tokens so far."""
        return len(self._ids)

    def stop(self) -> None:
        """Ends the text after the token that is computed; cancels it if its turn has not come."""
        self._stop.set()
        self.future.cancel()

    @property
    def stopped(self) -> bool:
        """True if it was stopped, or its reader has gone."""
        unread = not self._readers_stay and time.monotonic() - self._asked_s > UNREAD_S
        return unread or self._stop.is_set()

    def goes_on(self, ids: Sequence[int]) -> bool:
        """Stores the ids so far, as `runtime.generate` gives them; False once it is stopped."""
        self._ids = ids
        return not self.stopped
