"""Corrections as texts, which the log stores, and back.

Reading checks the form: a file that was imported can hold any text as a correction. Knows no
database.
"""

import json
from collections.abc import Sequence
from typing import Any, assert_never, cast

from feedback.errors import RefusedCorrection
from feedback.records import MAX_TEXT_CHARS, compact_json
from model.prediction import Prediction, ScoredLabels, Span


def closed_labels(prediction: Prediction) -> list[str]:
    """The labels to choose an answer from, in alphabetical order; [] if there is no fixed set."""
    match prediction.answer_kind:
        case "label" | "labels":
            return sorted(item.label for item in cast(ScoredLabels, prediction.output).items)
        case "spans" | "text":
            return []
        case kind:
            assert_never(kind)


def correction_from(prediction: Prediction, answer: Any) -> str:
    """The correction that is stored for an answer in JSON, None for no correction.

    The answer is a label of the prediction, a list of its labels, a list of spans (label, start and
    end) or a text, by the kind of answer of the prediction. Raises RefusedCorrection for any other.
    """
    if answer is None:
        return ""
    match prediction.answer_kind:
        case "label":
            labels = closed_labels(prediction)
            if answer in labels:
                return str(answer)
            raise RefusedCorrection(answer, f"one of its labels: {', '.join(labels)}")
        case "labels":
            labels = closed_labels(prediction)
            if isinstance(answer, list) and all(label in labels for label in answer):
                return labels_to_text(sorted(set(answer)))
            raise RefusedCorrection(answer, f"a list of its labels: {', '.join(labels)}")
        case "spans":
            spans = spans_from_text(compact_json(answer))
            if spans is not None and all(span.end <= len(prediction.spanned) for span in spans):
                return spans_to_text(spans)
            text = "the input" if prediction.spans_of == "input" else "the text that was read"
            raise RefusedCorrection(answer, f"a list of spans of {text}: label, start and end")
        case "text":
            if isinstance(answer, str) and len(answer) <= MAX_TEXT_CHARS:
                return answer.strip()
            raise RefusedCorrection(answer, f"a text of at most {MAX_TEXT_CHARS:,} characters")
        case kind:
            assert_never(kind)


def labels_to_text(labels: Sequence[str]) -> str:
    """The correction that names these labels, a JSON list."""
    return json.dumps(list(labels))


def labels_from_text(correction: str) -> list[str] | None:
    """The labels of a correction; None if it is not a list of labels."""
    labels = _load(correction)
    is_list = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    return labels if is_list else None


def spans_to_text(spans: Sequence[Span]) -> str:
    """The correction that names these spans, a JSON list of objects; scores are left out."""
    return compact_json([{"label": s.label, "start": s.start, "end": s.end} for s in spans])


def spans_from_text(correction: str) -> list[Span] | None:
    """The spans of a correction, each with a score of 1; None if it is not a list of spans."""
    items = _load(correction)
    if not isinstance(items, list):
        return None
    spans = [_span(item) for item in items]
    return None if None in spans else [span for span in spans if span]


def _span(item: Any) -> Span | None:
    if not isinstance(item, dict):
        return None
    label, start, end = (item.get(name) for name in ("label", "start", "end"))
    if not isinstance(label, str) or type(start) is not int or type(end) is not int:
        return None
    return Span(label, 1.0, start, end) if 0 <= start <= end else None


def _load(correction: str) -> Any:
    try:
        return json.loads(correction)
    except (ValueError, RecursionError):
        return None
