"""A text while it is generated: what is there so far, and the way to stop it.

Knows no model: a worker thread adds to it, any other reads it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from model.futures import is_done
from model.prediction import Prediction

UNREAD_S = 5.0


class Generation:
    """One text being generated; `future` gets its prediction.

    Somebody must read it: a text that nobody has asked for in 5 s is stopped, because its reader
    closed the page. `readers_stay` says that a reader waits for the future without asking.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], *, readers_stay: bool) -> None:
        self.future: Future[Prediction] = Future()
        self._decode = decode
        self._readers_stay = readers_stay
        self._stop = threading.Event()
        self._ids: Sequence[int] = ()
        self._asked_s = time.monotonic()

    def wait(self, timeout_s: float) -> bool:
        """Whether it is over, after at most `timeout_s` seconds."""
        self._asked_s = time.monotonic()
        return is_done(self.future, timeout_s)

    @property
    def begun(self) -> bool:
        """Whether its turn has come."""
        return self.future.running() or self.future.done()

    @property
    def text(self) -> str:
        """What is there so far; the bytes of a character that is not whole yet are left out."""
        return self._decode(self._ids).rstrip("\N{REPLACEMENT CHARACTER}")

    def stop(self) -> None:
        """Ends it after the token that is being computed; cancels it if it has not begun."""
        self._stop.set()
        self.future.cancel()

    @property
    def stopped(self) -> bool:
        unread = not self._readers_stay and time.monotonic() - self._asked_s > UNREAD_S
        return unread or self._stop.is_set()

    def goes_on(self, ids: Sequence[int]) -> bool:
        """Takes the ids so far, as `runtime.generate` gives them; whether to go on."""
        self._ids = ids
        return not self.stopped
