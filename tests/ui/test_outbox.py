"""The outbox loses nothing and stores nothing twice."""

import pytest

from feedback import FeedbackLog, LogUnavailable
from tests.making import entry, rating
from ui.outbox import Outbox


def unavailable() -> FeedbackLog:
    raise LogUnavailable("the database is away")


def test_what_cannot_be_stored_is_kept_and_stored_later(sqlite_log: FeedbackLog) -> None:
    outbox, one = Outbox(), entry()
    up, down = rating(one), rating(one, verdict="down")
    for said in (None, up, down):
        outbox.put(one, said)
    outbox.send(unavailable)
    assert (len(outbox), outbox.error) == (3, "the database is away")
    assert outbox.holds(one.prediction.id)
    assert outbox.ratings_of(one.prediction.id) == [up, down]

    outbox.send(lambda: sqlite_log)
    assert (len(outbox), outbox.error) == (0, "")
    assert not outbox.holds(one.prediction.id)
    assert sqlite_log.ratings_of(one.prediction.id) == [down]
    assert len(list(sqlite_log.history(unrated=True))) == 2


def test_a_rating_brings_its_prediction_along(sqlite_log: FeedbackLog) -> None:
    outbox, one = Outbox(), entry()
    outbox.put(one, rating(one))
    outbox.send(lambda: sqlite_log)
    assert sqlite_log.find(one.prediction.id) == one


def test_a_send_that_breaks_off_can_be_repeated(sqlite_log: FeedbackLog) -> None:
    outbox, one = Outbox(), entry()
    outbox.put(one, rating(one))
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
    assert len(list(sqlite_log.history(unrated=True))) == 1
