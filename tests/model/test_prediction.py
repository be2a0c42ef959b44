"""The outputs: their labels in short, the answers to them, their JSON."""

from typing import Any

import pytest

from model import GeneratedText, Spans
from model.prediction import output_from_json, output_to_json
from tests.helpers.entries import entry, labels


def test_what_spans_say_in_short() -> None:
    none = Spans(())
    assert (none.label, none.score, none.margin) == ("", None, None)


@pytest.mark.parametrize(
    ("task", "output", "kind"),
    [
        ("text-classification", labels(("a", 1.0)), "label"),
        ("zero-shot-classification", labels(("a", 1.0)), "label"),
        ("text-classification", labels(("a", 1.0), multi_label=True), "labels"),
        ("fill-mask", labels(("a", 1.0)), "text"),
        ("token-classification", Spans(()), "spans"),
        ("text-generation", GeneratedText("a", 1, "end"), "text"),
        ("from the future", Spans(()), "spans"),
        ("fill-mask", Spans(()), "spans"),
        ("from the future", labels(("a", 1.0)), "label"),
    ],
)
def test_how_an_output_is_corrected(task: str, output: Any, kind: str) -> None:
    assert entry(task=task, output=output).prediction.answer_kind == kind


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        7,
        [],
        {},
        {"labels": [], "multi_label": True},
        [{"label": "a", "score": 2.0}],
        [{"label": "a", "score": float("nan")}],
        {"spans": [{"label": "a", "score": 0.5, "start": 3, "end": 2}]},
        {"spans": [{"label": "a", "score": 0.5, "start": -1, "end": 2}]},
        {"spans": [{"label": "a", "score": 0.5, "start": 0.5, "end": 2}]},
        {"text": 1, "tokens": 1, "finish": "end"},
        {"text": "a", "tokens": True, "finish": "end"},
        {"text": "a", "tokens": 1, "finish": "perhaps"},
    ],
)
def test_what_is_no_output_is_refused(wrong: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        output_from_json(wrong)


def test_an_output_comes_back_from_json() -> None:
    for output in (
        labels(("a", 0.5), ("b", 0.5)),
        labels(("a", 0.5), multi_label=True),
        Spans(()),
        GeneratedText("", 0, "stopped"),
    ):
        assert output_from_json(output_to_json(output)) == output
