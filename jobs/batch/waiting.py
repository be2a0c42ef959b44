"""Waits for a feedback log that is away. Knows no batch."""

import threading
import time
from collections.abc import Callable
from math import inf
from typing import TypeVar

from feedback import LogUnavailable

RETRY_S = 2.0  # between attempts to reach the log
T = TypeVar("T")


def once_available(
    ask: Callable[[], T],
    *,
    stop: threading.Event,
    on_away: Callable[[str], object],
    longest_s: float = inf,
) -> T:
    """The answer of the log, once it is available.

    `on_away` is called with the reason after each attempt that fails, and with "" after the one
    that does not. Raises LogUnavailable if `stop` is set before, or after `longest_s`.
    """
    deadline_s = time.monotonic() + longest_s
    while True:
        try:
            answer = ask()
        except LogUnavailable as error:
            on_away(str(error))
            if time.monotonic() > deadline_s or stop.wait(RETRY_S):
                raise
        else:
            on_away("")
            return answer
