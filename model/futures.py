"""Waiting for futures that can be cancelled while they are in a queue."""

from concurrent.futures import Future, wait
from typing import Any


def is_done(future: Future[Any], timeout_s: float) -> bool:
    """True once `future` is done or was cancelled in the queue; waits at most `timeout_s` seconds.

    `concurrent.futures.wait` alone does not notice a cancelled future before its turn has come.
    """
    if not future.done():
        wait([future], timeout_s)
    return future.done()
