"""Which predictions a reviewer is handed, and in which order."""

import dataclasses

import pytest

from feedback import Entry, FeedbackLog
from feedback.records import DRAWS, Sampling, drawn
from feedback.review_queue import to_review
from model.prediction import GeneratedText
from tests.helpers.entries import entry, labels, rating

SHARE = 0.3


def add(log: FeedbackLog, count: int) -> list[Entry]:
    made = [
        entry(f"{n}", output=labels(("x", 0.5 + n / (2 * count)), ("y", 0.5 - n / (2 * count))))
        for n in range(count)
    ]
    log.add(made, [])
    return made


def ask(log: FeedbackLog, sampling: Sampling, reviewer: str = "Ada", limit: int = 999) -> list[str]:
    found = to_review(log, reviewer, sampling, random_share=SHARE, limit=limit)
    return [one.prediction.input for one in found]


def is_random(one: Entry) -> bool:
    return drawn(one.prediction.id) < SHARE * DRAWS


def test_the_two_ways_share_the_predictions_between_them(log: FeedbackLog) -> None:
    made = add(log, 300)
    by_chance, by_margin = ask(log, "random"), ask(log, "margin")
    assert sorted(map(int, by_chance + by_margin)) == list(range(300))
    assert set(by_chance) == {one.prediction.input for one in made if is_random(one)}
    assert 50 < len(by_chance) < 130  # 90 expected, with a standard deviation of 8


def test_least_margin_comes_first_and_chance_knows_no_margin(log: FeedbackLog) -> None:
    made = add(log, 300)
    margins = {one.prediction.input: one.prediction.margin for one in made}
    by_margin = [margins[text] for text in ask(log, "margin")]
    assert by_margin == sorted(by_margin, key=lambda margin: margin or 0)
    by_chance = ask(log, "random")
    draws = {one.prediction.input: drawn(one.prediction.id) for one in made}
    assert by_chance == sorted(by_chance, key=draws.__getitem__)


def test_what_one_has_rated_does_not_come_again_unless_it_is_taken_back(log: FeedbackLog) -> None:
    made = {one.prediction.input: one for one in add(log, 60)}
    for sampling in ("margin", "random"):
        first, second, third = ask(log, sampling)[:3]
        log.rate(rating(made[first]))
        log.rate(rating(made[second], "Bob"))
        assert ask(log, sampling)[0] == third
        assert ask(log, sampling)[-1] == second, "what another has rated comes after the others"
        assert ask(log, sampling, "Bob")[-1] == first
        assert first not in ask(log, sampling)
        log.rate(rating(made[first], retracted=True))
        assert ask(log, sampling)[0] == first


def test_second_opinions_and_disputes(log: FeedbackLog) -> None:
    one, two, three, four = add(log, 4)
    log.rate(rating(one, "Bob"))
    log.rate(rating(two, "Bob"))
    log.rate(rating(two, "Cleo", "down"))
    log.rate(rating(three, "Bob", "down"))
    log.rate(rating(three, "Cleo", "down"))
    assert sorted(ask(log, "agreement")) == ["0", "1", "2"]
    assert sorted(ask(log, "agreement", "Cleo")) == ["0"]
    assert ask(log, "disagreement") == ["1"]
    assert ask(log, "disagreement", "Bob") == []
    assert four.prediction.input not in ask(log, "agreement")


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_nothing_or_all(log: FeedbackLog, share: float) -> None:
    add(log, 20)

    def count(sampling: Sampling) -> int:
        return len(to_review(log, "Ada", sampling, random_share=share, limit=99))

    assert (count("random"), count("margin")) == ((0, 20) if share == 0 else (20, 0))


def test_outputs_without_a_margin_come_last_the_newest_first(log: FeedbackLog) -> None:
    made = [entry(f"g{n}", output=GeneratedText("more", 1, "end")) for n in range(3)]
    log.add(made, [])
    add(log, 3)
    found = to_review(log, "Ada", "margin", random_share=0, limit=99)
    assert [one.prediction.input for one in found] == ["0", "1", "2", "g2", "g1", "g0"]


def test_what_two_models_said_side_by_side_is_not_handed_out(log: FeedbackLog) -> None:
    log.record(dataclasses.replace(entry("of two"), source="compare"))
    assert ask(log, "random") == ask(log, "margin") == []


def test_what_is_to_be_left_out_is(log: FeedbackLog) -> None:
    made = add(log, 10)
    without = {one.prediction.id for one in made[:4]}
    found = to_review(log, "Ada", "margin", random_share=0, limit=3, without=without)
    assert [one.prediction.input for one in found] == ["4", "5", "6"]
