"""Two reviewers never hold the same prediction."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from model.prediction import new_id
from ui.review import assignments
from ui.review.assignments import HandOuts

IDS = [new_id() for _ in range(5)]


def test_each_gets_another_and_gives_back_what_they_had() -> None:
    held = HandOuts()
    assert held.take(IDS, "Ada") == IDS[0]
    assert held.take(IDS, "Bob") == IDS[1]
    assert held.take(IDS[1:2], "Cleo") is None
    assert held.take(IDS[2:], "Bob") == IDS[2]
    assert held.take(IDS, "Cleo") == IDS[1]


def test_who_goes_away_holds_nothing_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    held, now = HandOuts(), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    assert held.take(IDS, "Ada") == IDS[0]
    now[0] = assignments.HELD_S - 1
    assert held.keep(IDS[0], "Ada")
    now[0] += 2
    assert held.take(IDS, "Bob") == IDS[1]
    now[0] += assignments.HELD_S
    assert held.take(IDS, "Bob") == IDS[0]
    assert not held.keep(IDS[0], "Ada"), "Bob holds it by now"
    assert held.take(IDS, "Ada") == IDS[1]


def test_who_is_given_nothing_keeps_what_they_have() -> None:
    held = HandOuts()
    assert held.take(IDS, "Ada") == IDS[0]
    assert held.take([], "Ada") is None
    assert held.take(IDS, "Bob") == IDS[1]


def test_many_at_once_get_different_ones() -> None:
    held = HandOuts()
    ids = [new_id() for _ in range(32)]
    with ThreadPoolExecutor(32) as pool:
        taken = list(pool.map(lambda who: held.take(ids, str(who)), range(32)))
    assert len(set(taken)) == 32
