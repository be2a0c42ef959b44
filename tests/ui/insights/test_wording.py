"""Shares and agreement in words."""

from typing import Any

import pytest

from feedback.insights import Blind, Reviewing, Share
from feedback.statistics import Agreement, difference_interval
from ui.insights import wording


def reviewing(value: float | None, *, n: int = 50, **changes: Any) -> Reviewing:
    values: dict[str, Any] = {"measure": "kappa", "reviewers": ("Ada", "Bob")} | changes
    return Reviewing(agreement=Agreement(value, 0.1, 0.9, n), same=Share(n - 2, n), **values)


def judged(before: tuple[int, int], after: tuple[int, int]) -> Blind:
    return Blind(Share(*before), Share(*after), difference_interval(before, after))


@pytest.mark.parametrize(
    ("some", "n", "words"),
    [
        (15, 20, "75 % (95 % interval 53 to 89 %)"),
        (9_000, 10_000, "90.0 % (95 % interval 89.4 to 90.6 %)"),
        (20, 20, "100 % (95 % interval 84 to 100 %)"),
    ],
)
def test_a_narrow_interval_gets_a_decimal(some: int, n: int, words: str) -> None:
    assert wording.share(Share(some, n)) == words


@pytest.mark.parametrize(
    ("value", "changes", "words"),
    [
        (0.85, {}, "Cohen's kappa 0.85 (95 % interval 0.10 to 0.90): almost perfect"),
        (0.61, {}, "substantial"),
        (0.0, {}, "slight"),
        (-0.2, {}, "less than by chance"),
        (0.8, {"measure": "alpha", "reviewers": ()}, "Krippendorff's alpha 0.80"),
        (0.7, {"measure": "alpha", "reviewers": ()}, "tentative"),
        (-0.1, {"measure": "alpha", "reviewers": ()}, "too low"),
        (None, {}, "chance alone would agree as often"),
        (0.9, {"n": 19}, "Too few to tell: 19 predictions that both Ada and Bob rated"),
    ],
)
def test_agreement(value: float | None, changes: dict[str, Any], words: str) -> None:
    assert words in wording.agreement(reviewing(value, **changes))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((60, 100), (95, 100), "points lower before"),
        ((95, 100), (60, 100), "points higher before"),
        ((50, 100), (52, 100), "No difference can be told"),
        ((3, 7), (50, 100), "Too few to tell: 7 ratings"),
        ((0, 0), (50, 100), "Too few to tell: 0 ratings"),
    ],
)
def test_blind(before: tuple[int, int], after: tuple[int, int], words: str) -> None:
    assert words in wording.blind(judged(before, after))
