"""Corrections in one line."""

from typing import Any

import pytest

from model.prediction import GeneratedText, Span, Spans
from tests.helpers.entries import entry, labels
from ui.parts.corrections import in_words

SPANS = Spans((Span("PER", 0.9, 0, 3), Span("LOC", 0.9, 7, 12)))
MANY = labels(("a", 0.9), ("b", 0.6), ("c", 0.1), multi_label=True)


def made(output: Any, task: str = "x") -> Any:
    return entry("Ada in Paris", output=output, task=task).prediction


@pytest.mark.parametrize(
    ("output", "task", "correction", "words"),
    [
        (labels(("a", 0.9)), "text-classification", "b", "B"),
        (labels(("a", 0.9)), "fill-mask", "b", "b"),
        (MANY, "text-classification", '["a", "c"]', "A, C"),
        (MANY, "text-classification", "[]", "no label"),
        (MANY, "text-classification", "", ""),
        (MANY, "text-classification", "from a spreadsheet", "from a spreadsheet"),
        (MANY, "text-classification", "[7]", "[7]"),
        (MANY, "text-classification", "[" * 100_000, "[" * 100_000),
        (labels(("a", 0.9)), "text-classification", "", ""),
        (SPANS, "token-classification", '[{"label": "loc", "start": 0, "end": 3}]', "Ada (LOC)"),
        (SPANS, "token-classification", "[]", "nothing"),
        (SPANS, "token-classification", "[7]", "[7]"),
        (GeneratedText("a", 1, "end"), "text-generation", "b", "b"),
    ],
)
def test_a_in_words(output: Any, task: str, correction: str, words: str) -> None:
    assert in_words(made(output, task), correction, str.upper) == words
