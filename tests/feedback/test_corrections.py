"""Corrections from JSON, as clients send them: by the kind of answer of the prediction."""

from typing import Any

import pytest

from feedback.corrections import correction_from, labels_from_text, spans_from_text
from feedback.errors import RefusedCorrection
from model.prediction import (
    GeneratedText,
    Output,
    Prediction,
    ScoredLabel,
    ScoredLabels,
    Span,
    Spans,
)
from tests.helpers.entries import entry
from tests.helpers.entries import labels as scored

LABEL = scored(("good", 0.9), ("bad", 0.1))
LABELS = ScoredLabels((ScoredLabel("good", 0.9), ScoredLabel("bad", 0.8)), multi_label=True)
SPANS = Spans((Span("PER", 0.9, 0, 3),))
TEXT = GeneratedText("written", 3, "end")


def of(output: Output) -> Prediction:
    return entry(output=output, input="Ada wrote").prediction


def test_no_answer_is_no_correction() -> None:
    assert correction_from(of(LABEL), None) == ""


def test_an_answer_is_stored_as_pages_store_it() -> None:
    assert correction_from(of(LABEL), "bad") == "bad"
    assert correction_from(of(TEXT), " better ") == "better"
    assert labels_from_text(correction_from(of(LABELS), ["good", "bad"])) == ["bad", "good"]
    assert labels_from_text(correction_from(of(LABELS), [])) == []
    span = {"label": "PER", "start": 0, "end": 3}
    assert spans_from_text(correction_from(of(SPANS), [span])) == [Span("PER", 1.0, 0, 3)]


@pytest.mark.parametrize(
    ("output", "answer", "expected"),
    [
        (LABEL, "middling", "one of its labels: bad, good"),
        (LABEL, ["bad"], "one of its labels"),
        (LABELS, "bad", "a list of its labels"),
        (LABELS, ["middling"], "a list of its labels"),
        (LABELS, [["bad"]], "a list of its labels"),
        (SPANS, [{"label": "PER", "start": 0, "end": 99}], "a list of spans of the input"),
        (SPANS, "PER", "a list of spans"),
        (TEXT, 3, "a text of at most 20,000 characters"),
        (TEXT, "x" * 20_001, "a text of at most 20,000 characters"),
    ],
)
def test_another_form_is_refused(output: Output, answer: Any, expected: str) -> None:
    with pytest.raises(RefusedCorrection, match=expected):
        correction_from(of(output), answer)
