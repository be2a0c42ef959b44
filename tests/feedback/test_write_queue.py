"""Entries on their way into the log: in groups, through failures, and to the end."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback import FeedbackError, FeedbackLog, LogUnavailable
from feedback.write_queue import WriteQueue
from tests.helpers.entries import entry
from tests.helpers.until import until


@pytest.fixture
def queue(log: FeedbackLog) -> Iterator[WriteQueue]:
    made = WriteQueue(lambda: log)
    yield made
    made.close()


def test_entries_are_stored_and_then_no_longer_found_here(
    log: FeedbackLog, queue: WriteQueue
) -> None:
    entries = [entry() for _ in range(1200)]  # more than a group
    queue.put(entries[:1])
    queue.put(entries[1:])
    until(lambda: not len(queue))
    assert log.counts().predictions == len(entries)
    assert queue.find(entries[0].prediction.id) is None


def test_waiting_entries_are_found_and_grouped(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    may_store, add = threading.Event(), log.add
    queue = WriteQueue(lambda: log)

    def slow(entries: list[object], ratings: list[object]) -> object:
        groups.append(len(entries))
        may_store.wait(60)
        return add(entries, ratings)  # type: ignore[arg-type]

    monkeypatch.setattr(log, "add", slow)
    entries = [entry() for _ in range(5)]
    queue.put(entries[:1])
    until(lambda: groups)
    for each in entries[1:]:
        queue.put([each])
    assert queue.find(entries[4].prediction.id) == entries[4]
    may_store.set()
    queue.close()
    assert groups == [1, 4]
    assert log.counts().predictions == 5


def test_a_log_that_is_away_is_tried_again(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedback.write_queue.RETRY_S", 0.01)
    attempts: list[int] = []

    def open_log() -> FeedbackLog:
        attempts.append(1)
        if len(attempts) < 3:
            raise LogUnavailable("away")
        return log

    queue = WriteQueue(open_log)
    queue.put([entry()])
    until(lambda: not len(queue))
    assert len(attempts) == 3
    assert log.counts().predictions == 1
    queue.close()


@pytest.mark.parametrize("error", [FeedbackError("refused"), ValueError("unexpected")])
def test_an_entry_that_the_log_refuses_does_not_stop_the_others(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    entries = [entry() for _ in range(4)]
    add = log.add

    def picky(group: list[object], ratings: list[object]) -> object:
        if entries[2] in group:
            raise error
        return add(group, ratings)  # type: ignore[arg-type]

    monkeypatch.setattr(log, "add", picky)
    queue = WriteQueue(lambda: log)
    queue.put(entries)
    until(lambda: not len(queue))
    assert log.counts().predictions == 3
    assert queue.refused == 1
    queue.close()


def test_a_closed_queue_gives_up_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("feedback.write_queue.LAST_TRIES_S", 0.01)
    monkeypatch.setattr("feedback.write_queue.LAST_RETRY_S", 0.01)

    def away() -> FeedbackLog:
        raise LogUnavailable("away")

    queue = WriteQueue(away)
    queue.put([entry()])
    (thread,) = (each for each in threading.enumerate() if each.name == "write-log")
    queue.close()
    until(lambda: not thread.is_alive())
    assert "1 predictions could not be stored" in caplog.text
    queue.put([entry(), entry()])
    assert "2 predictions came after the end" in caplog.text
    assert len(queue) == 1


def test_too_many_waiting_entries_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("feedback.write_queue.MAX_WAITING", 2)
    monkeypatch.setattr("feedback.write_queue.LAST_TRIES_S", 0.1)

    def away() -> FeedbackLog:
        raise LogUnavailable("away")

    queue = WriteQueue(away)
    queue.require_room()
    queue.put([entry(), entry()])
    with pytest.raises(LogUnavailable, match="2 predictions wait"):
        queue.require_room()
    queue.close()  # ends, though nothing could be stored
    assert len(queue) == 2
