"""Outputs in one line."""

from typing import Any

import pytest

from model.prediction import GeneratedText, Span, Spans
from tests.helpers.entries import entry, labels
from ui.parts.output import summary

SPANS = Spans((Span("PER", 0.9, 0, 3), Span("LOC", 0.9, 7, 12)))
MANY = labels(("a", 0.9), ("b", 0.6), ("c", 0.1), multi_label=True)


def made(output: Any, task: str = "x") -> Any:
    return entry("Ada in Paris", output=output, task=task).prediction


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (labels(("a", 0.9), ("b", 0.1)), "A"),
        (MANY, "A, B"),
        (labels(("a", 0.1), multi_label=True), "no label"),
        (SPANS, "Ada (PER), Paris (LOC)"),
        (Spans(()), "nothing found"),
        (GeneratedText("two\nlines " * 50, 9, "end"), None),
    ],
)
def test_an_output_in_a_line(output: Any, words: str | None) -> None:
    said = summary(made(output), str.upper)
    assert words is None or said == words
    assert "\n" not in said
    assert len(said) <= 200
