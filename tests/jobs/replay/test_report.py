"""What a replay says in words."""

from collections import Counter

import pytest

from feedback.outcomes import OutcomeCounts
from jobs.replay.report import are_comparable, by_chance, conclusion, foreign_labels


@pytest.mark.parametrize(
    ("p", "share"),
    [
        (1.0, "100 of 100"),
        (0.031, "3 of 100"),
        (0.0095, "1 of 100"),
        (0.009, "9 of 1,000"),
        (0.001, "1 of 1,000"),
        (0.0009, "fewer than 1 of 1,000"),
        (0.0, "fewer than 1 of 1,000"),
    ],
)
def test_a_p_value_is_told_as_a_number_of_cases(p: float, share: str) -> None:
    assert f"by chance in {share} comparisons" in by_chance(p, "a split", 100)


def test_too_few_are_told() -> None:
    score = OutcomeCounts()
    assert "neither is better" in conclusion(score)
    score.counts.update({"fixed": 4, "broken": 1, "still right": 9000})
    assert "4 fixed and 1 broken" in conclusion(score)
    assert "4 fixed and 1 broken is too few to tell" in conclusion(score)
    score.counts.update({"fixed": 40})
    assert "too few" not in conclusion(score)
    assert conclusion(score).startswith("By these ratings the model is better. p = ")
    score.counts.update({"broken": 100})
    assert conclusion(score).startswith("By these ratings the model is worse. p = ")
    score.counts.update({"fixed": 50})
    assert conclusion(score).startswith("No difference can be told. p = ")


def test_labels_that_the_model_does_not_have_are_told() -> None:
    score = OutcomeCounts(by_label={"joy": Counter(), "rage": Counter(), "": Counter()})
    assert foreign_labels(score, ("joy", "rage", "fear")) == ""
    assert foreign_labels(score, ()) == ""
    assert "has no label rage" in foreign_labels(score, ("joy", "anger"))
    assert "cannot be compared" in foreign_labels(score, ("LABEL_0",))
    assert not are_comparable(score, ("LABEL_0",))
