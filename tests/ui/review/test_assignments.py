"""Two reviewers never hold the same prediction."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from model.prediction import new_id
from ui.review import assignments
from ui.review.assignments import Assignments

IDS = [new_id() for _ in range(5)]


def test_each_gets_another_and_gives_back_what_they_had() -> None:
    held = Assignments()
    assert held.assign(IDS, "Ada") == IDS[0]
    assert held.assign(IDS, "Bob") == IDS[1]
    assert held.assign(IDS[1:2], "Cleo") is None
    assert held.assign(IDS[2:], "Bob") == IDS[2]
    assert held.assign(IDS, "Cleo") == IDS[1]


def test_who_goes_away_holds_nothing_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    held, now = Assignments(), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    assert held.assign(IDS, "Ada") == IDS[0]
    now[0] = assignments.HELD_S - 1
    assert held.renew(IDS[0], "Ada")
    now[0] += 2
    assert held.assign(IDS, "Bob") == IDS[1]
    now[0] += assignments.HELD_S
    assert held.assign(IDS, "Bob") == IDS[0]
    assert not held.renew(IDS[0], "Ada"), "Bob holds it by now"
    assert held.assign(IDS, "Ada") == IDS[1]


def test_who_is_given_nothing_keeps_what_they_have() -> None:
    held = Assignments()
    assert held.assign(IDS, "Ada") == IDS[0]
    assert held.assign([], "Ada") is None
    assert held.assign(IDS, "Bob") == IDS[1]


def test_many_at_once_get_different_ones() -> None:
    held = Assignments()
    ids = [new_id() for _ in range(32)]
    with ThreadPoolExecutor(32) as pool:
        taken = list(pool.map(lambda who: held.assign(ids, str(who)), range(32)))
    assert len(set(taken)) == 32
