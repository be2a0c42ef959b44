"""Corrections as texts, which the log stores, and back.

Reading checks the form: a file that was imported can hold any text as a correction. Knows no
database.
"""

import json
from collections.abc import Sequence
from typing import Any

from feedback.records import compact_json
from model.prediction import Span


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
