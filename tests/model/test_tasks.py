"""What the task makes of text and of logits."""

import numpy as np
import pytest

from model import InputError, ModelError
from model.tasks import TextClassification, check_text

CONFIG = {
    "architectures": ["BertForSequenceClassification"],
    "id2label": {"10": "k", "2": "c", "0": "a"},
}


def test_labels_follow_their_numbers() -> None:
    assert TextClassification(CONFIG).labels == ("a", "c", "k")


def test_scores_are_the_softmax_by_falling_score() -> None:
    output = TextClassification(CONFIG).output(np.log(np.array([0.2, 0.5, 0.3], np.float32)))
    assert [item.label for item in output] == ["c", "k", "a"]
    assert [item.score for item in output] == pytest.approx([0.5, 0.3, 0.2])


def test_huge_logits_do_not_overflow() -> None:
    output = TextClassification(CONFIG).output(np.array([1e4, 0, -1e4], np.float32))
    assert [item.score for item in output] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("logits", [[np.nan, 0, 0], [np.inf, 0, 0], [-np.inf, 1, 2]])
def test_logits_that_are_no_numbers_are_refused(logits: list[float]) -> None:
    with pytest.raises(ModelError, match="not numbers"):
        TextClassification(CONFIG).output(np.array(logits, np.float32))


def test_ties_keep_the_order_of_the_labels() -> None:
    output = TextClassification(CONFIG).output(np.zeros(3, np.float32))
    assert [item.label for item in output] == ["a", "c", "k"]


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000", "\u200b\u200b", "\0", "\u202e"])
def test_a_blank_text_gets_a_hint(text: str) -> None:
    with pytest.raises(InputError, match="no text to predict"):
        check_text(text, max_chars=10)


def test_a_long_text_gets_the_limit_and_its_size() -> None:
    check_text("x" * 1000, max_chars=1000)
    with pytest.raises(InputError, match=r"has 1,001 characters and the limit is 1,000\."):
        check_text("x" * 1001, max_chars=1000)
