"""Probabilities from logits, and labels in their order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from model import ModelError
from model.numbers import by_score, sigmoid, softmax

EACH_WAY = pytest.mark.parametrize("probabilities", [softmax, sigmoid])


def test_huge_logits_do_not_overflow() -> None:
    huge = np.array([1e4, 0, -1e4], np.float32)
    assert softmax(huge).tolist() == [1.0, 0.0, 0.0]
    assert sigmoid(huge).tolist() == [1.0, 0.5, 0.0]


def test_each_row_of_logits_is_one_distribution() -> None:
    logits = np.log(np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], np.float32))
    assert softmax(logits) == pytest.approx(np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]), abs=1e-6)


@EACH_WAY
@pytest.mark.parametrize("logits", [[np.nan, 0, 0], [np.inf, 0, 0], [-np.inf, 1, 2]])
def test_logits_that_are_no_numbers_are_refused(
    probabilities: Callable[[Any], Any], logits: list[float]
) -> None:
    with pytest.raises(ModelError, match="not numbers"):
        probabilities(np.array(logits, np.float32))


def test_ties_keep_the_order_of_the_labels() -> None:
    tied = by_score(("a", "c", "k"), np.array([0.2, 0.4, 0.4]), multi_label=False)
    assert [item.label for item in tied.items] == ["c", "k", "a"]
    equal = by_score(("a", "c", "k"), np.full(3, 1 / 3), multi_label=False)
    assert [item.label for item in equal.items] == ["a", "c", "k"]
