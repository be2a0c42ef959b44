"""The outbox loses nothing, stores nothing twice, and stands two runs of one session at once."""

import threading
import time
from itertools import pairwise
from typing import Any

import pytest

from feedback import Entry, FeedbackLog, LogUnavailable, Rating
from tests.helpers.entries import entry, history
from ui.outbox import RETRY_S, Outbox


def unavailable() -> FeedbackLog:
    raise LogUnavailable("the database is away")


class SlowLog:
    """A real log that takes its time, as one over a network does."""

    def __init__(self, log: FeedbackLog) -> None:
        self._log = log

    def record(self, one: Entry) -> None:
        time.sleep(0.005)
        self._log.record(one)

    def rate(self, rating: Rating) -> bool:
        time.sleep(0.005)
        return self._log.rate(rating)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def test_what_cannot_be_stored_is_kept_and_stored_later(sqlite_log: FeedbackLog) -> None:
    outbox, one = Outbox(), entry()
    outbox.put(one)
    outbox.revise(one, "Ada", unavailable, verdict="up")
    outbox.revise(one, "Ada", unavailable, verdict="down", comment="no")
    outbox.revise(one, "Ada", unavailable, correction="neutral")
    assert (len(outbox), outbox.error) == (4, "the database is away")
    assert outbox.holds(one.prediction.id)
    newest = outbox.newest(one, "Ada", unavailable)
    assert newest is not None
    assert newest.content == ("down", "neutral", "no", False, False, "", "")

    outbox.send(lambda: sqlite_log)
    assert (len(outbox), outbox.error) == (0, "")
    assert not outbox.holds(one.prediction.id)
    assert sqlite_log.ratings_of(one.prediction.id) == [newest]
    assert len(history(sqlite_log, unrated=True)) == 3


def test_a_rating_brings_its_prediction_along(sqlite_log: FeedbackLog) -> None:
    outbox, one = Outbox(), entry()
    outbox.revise(one, "Ada", lambda: sqlite_log, verdict="up")
    assert sqlite_log.find(one.prediction.id) == one


def test_a_send_that_breaks_off_can_be_repeated(sqlite_log: FeedbackLog) -> None:
    outbox, one = Outbox(), entry()
    outbox.revise(one, "Ada", unavailable, verdict="up")
    calls = 0

    def breaks_at_second_call() -> FeedbackLog:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return sqlite_log

    with pytest.raises(KeyboardInterrupt):
        outbox.send(breaks_at_second_call)
    outbox.send(lambda: sqlite_log)
    assert len(history(sqlite_log, unrated=True)) == 1


def test_what_is_refused_for_good_does_not_hold_up_the_rest(sqlite_log: FeedbackLog) -> None:
    outbox = Outbox()
    broken = entry(queue_ms=float("nan"))  # NULL to SQLite, and refused
    outbox.put(broken)
    fine = entry()
    outbox.put(fine)
    outbox.send(lambda: sqlite_log)
    assert "refused" in outbox.error
    assert outbox.holds(broken.prediction.id)
    assert sqlite_log.find(fine.prediction.id) == fine


def test_two_runs_at_once_store_all_of_it_once(sqlite_log: FeedbackLog) -> None:
    outbox, one = Outbox(), entry()
    log: Any = SlowLog(sqlite_log)
    outbox.put(one)
    verdicts = ["up", "down"] * 6
    start = threading.Barrier(len(verdicts))
    failed: list[BaseException] = []

    def click(verdict: str) -> None:
        try:
            start.wait()
            outbox.revise(one, "Ada", lambda: log, verdict=verdict)
        except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
            failed.append(error)

    threads = [threading.Thread(target=click, args=(verdict,)) for verdict in verdicts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(outbox) == 0
    ratings = [rating for _, rating in history(sqlite_log, unrated=True) if rating]
    assert all(a.verdict != b.verdict for a, b in pairwise(ratings))
    assert sqlite_log.counts().rated == 1


def test_a_revision_keeps_what_was_said_in_another_tab(sqlite_log: FeedbackLog) -> None:
    here, there, one = Outbox(), Outbox(), entry()
    here.revise(one, "Ada", lambda: sqlite_log, verdict="down")
    there.revise(one, "Ada", lambda: sqlite_log, comment="from the other tab")
    here.revise(one, "Ada", lambda: sqlite_log, correction="neutral")
    (said,) = sqlite_log.ratings_of(one.prediction.id)
    assert (said.correction, said.comment) == ("neutral", "from the other tab")


def test_retracting_nothing_stores_nothing(sqlite_log: FeedbackLog) -> None:
    outbox, one = Outbox(), entry()
    outbox.put(one)
    outbox.revise(one, "Ada", lambda: sqlite_log, retracted=True)
    assert sqlite_log.counts().rated == 0
    assert outbox.newest(one, "Ada", lambda: sqlite_log) is None


def test_a_new_name_takes_the_ratings_of_the_session_along(sqlite_log: FeedbackLog) -> None:
    outbox, first, second, third = Outbox(), entry(), entry(), entry()
    outbox.revise(first, "anonymous-1", lambda: sqlite_log, verdict="up")
    outbox.revise(second, "anonymous-1", lambda: sqlite_log, verdict="down", comment="hm")
    outbox.revise(third, "anonymous-1", lambda: sqlite_log, verdict="up")
    outbox.revise(third, "anonymous-1", lambda: sqlite_log, retracted=True)
    outbox.rename("anonymous-1", "Ada", unavailable)
    outbox.send(lambda: sqlite_log)
    counts = sqlite_log.counts()
    assert (counts.up, counts.down, counts.reviewers) == (1, 1, 1)
    (said,) = sqlite_log.ratings_of(second.prediction.id)
    assert (said.reviewer, said.comment) == ("Ada", "hm")


def test_a_new_name_takes_over_what_another_tab_said_last(sqlite_log: FeedbackLog) -> None:
    here, there, one = Outbox(), Outbox(), entry()
    here.revise(one, "anonymous-1", lambda: sqlite_log, verdict="up")
    there.revise(one, "anonymous-1", lambda: sqlite_log, verdict="down", correction="negative")
    here.rename("anonymous-1", "Ada", lambda: sqlite_log)
    (counts,) = sqlite_log.ratings_of(one.prediction.id)
    assert (counts.reviewer, counts.verdict, counts.correction) == ("Ada", "down", "negative")


def test_what_failed_is_due_again_after_a_while(
    sqlite_log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox, now_s = Outbox(), 100.0
    monkeypatch.setattr("ui.outbox.time.monotonic", lambda: now_s)
    assert not outbox.is_due
    outbox.put(entry())
    assert outbox.is_due
    outbox.send(unavailable)
    assert not outbox.is_due
    now_s += RETRY_S + 0.1
    assert outbox.is_due
    outbox.send(lambda: sqlite_log)
    assert not outbox.is_due
