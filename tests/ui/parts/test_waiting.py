"""Waiting ends with the future's result, and cancels what nobody will read."""

from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from threading import Timer

import pytest
import streamlit

from ui.parts import waiting


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_S", 0.02)


def test_a_late_result_is_returned() -> None:
    future: Future[int] = Future()
    Timer(0.1, future.set_result, [7]).start()
    assert waiting.wait_for(future, "wait") == 7


@pytest.mark.parametrize("error", [ValueError("no"), TimeoutError("the future's own")])
def test_what_the_future_raises_is_raised(error: Exception) -> None:
    future: Future[int] = Future()
    Timer(0.05, future.set_exception, [error]).start()
    with pytest.raises(type(error), match=str(error)):
        waiting.wait_for(future, "wait")


class Stopped(BaseException):
    """What Streamlit raises in a run that was overtaken."""


def test_a_run_that_is_stopped_cancels_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def stopped(message: str) -> Iterator[None]:
        raise Stopped
        yield

    monkeypatch.setattr(streamlit, "spinner", stopped)
    waits: Future[int] = Future()
    with pytest.raises(Stopped):
        waiting.wait_for(waits, "wait")
    assert waits.cancelled()

    runs: Future[int] = Future()
    runs.set_running_or_notify_cancel()
    with pytest.raises(Stopped):
        waiting.wait_for(runs, "wait")
    assert not runs.cancelled(), "others may wait for it"


def test_what_was_cancelled_in_the_queue_ends_the_wait() -> None:
    future: Future[int] = Future()
    Timer(0.05, future.cancel).start()
    with pytest.raises(CancelledError):
        waiting.wait_for(future, "wait")
