"""A room of visitors whose app is too slow, or fails, is left at once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks import load

Click = Callable[[str], None]


def room_of(monkeypatch: pytest.MonkeyPatch, click: Click) -> None:
    """Has visitors click so, in place of an app."""

    @contextmanager
    def connected(kind: str, url: str) -> Iterator[Click]:
        yield click

    monkeypatch.setattr(load, "connected", connected)


def test_all_clicks_of_all_visitors_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    room_of(monkeypatch, lambda text: time.sleep(0.01))
    figures = load.main("tryout", "", 4, 0.2)
    assert figures["per_s"] > 50
    assert figures["median_ms"] >= 10
    assert figures["errors"] == 0


def test_a_room_that_does_not_open_in_time_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "OPENS_S", 0.2)
    clicks: list[str] = []

    def click(text: str) -> None:
        clicks.append(text)
        time.sleep(0 if len(clicks) == 1 else 2)

    room_of(monkeypatch, click)
    with pytest.raises(SystemExit, match=r"too slow: 1 of 4 visitors had their first answer"):
        load.main("tryout", "", 4, 0.2)


def test_a_last_click_without_an_answer_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "CLOSES_S", 0.2)
    room_of(monkeypatch, lambda text: time.sleep(2 if text[0].isdigit() else 0))
    with pytest.raises(SystemExit, match="too slow: clicks without an answer"):
        load.main("tryout", "", 2, 0.2)


def test_an_app_that_fails_at_once_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def click(text: str) -> None:
        raise RuntimeError("no model")

    room_of(monkeypatch, click)
    with pytest.raises(RuntimeError, match="no model"):
        load.main("tryout", "", 2, 0.2)


def test_a_visitor_whose_click_fails_leaves_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def click(text: str) -> None:
        time.sleep(0.01)
        if text.startswith("3 "):
            raise RuntimeError("lost")

    room_of(monkeypatch, click)
    figures = load.main("tryout", "", 2, 0.3)
    assert (figures["errors"], figures["first_error"]) == (1, ["RuntimeError('lost')"])
