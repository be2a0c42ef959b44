"""The event loop and the threads stay free: checks of many texts, and callers that leave."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from feedback import FeedbackLog
from model.text import check_text
from serving.asking import Asking
from tests.helpers.predictor import FakePredictor
from tests.helpers.service import service_of

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, in a thread: in this one the browser tests may have a loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture
def predictor() -> FakePredictor:
    loaded = FakePredictor()
    loaded.load()
    return loaded


def test_texts_with_many_characters_are_checked_in_a_thread(
    predictor: FakePredictor, sqlite_log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    checking: list[threading.Thread] = []

    def check(text: str, *, max_chars: int) -> None:
        checking.append(threading.current_thread())
        check_text(text, max_chars=max_chars)

    monkeypatch.setattr("serving.service.check_text", check)
    service = service_of(predictor, sqlite_log, logs=False)
    run(service.predict(["a good day"], {}))
    assert [thread.name.startswith("tokenize") for thread in checking] == [False]
    results = run(service.predict(["a good day" * 1000] * 11, {}))
    assert len(results) == 11
    assert all(thread.name.startswith("tokenize") for thread in checking[1:])
    service.close()


def test_a_caller_that_leaves_stops_the_count_of_its_tokens(
    predictor: FakePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, looks, go_on = Asking(), list[str](), threading.Event()

    def slow(text: str, params: Mapping[str, Any]) -> bool:
        looks.append(text)
        go_on.wait(60)
        return True

    monkeypatch.setattr(predictor, "reads_all", slow)

    async def leave() -> None:
        tasks = [
            asyncio.ensure_future(asking.fits(predictor, ["first", "second"], {})) for _ in range(9)
        ]
        while not looks:
            await asyncio.sleep(0.01)
        assert await asking.in_thread(lambda: True)  # counting takes no thread from predictions
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        go_on.set()
        assert await asking.fits(predictor, ["third"], {}) == [True]  # after those that were left

    run(leave())
    assert looks == ["first", "third"]
    asking.close()
