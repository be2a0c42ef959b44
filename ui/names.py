"""Outputs and corrections in one line of words. Knows no Streamlit.

Stored is always what the model says; a page passes `name_of`, which gives the owner's names.
"""

import json
from collections.abc import Callable
from typing import Any

from model.prediction import GeneratedText, Output, Prediction, ScoredLabels, Spans
from model.tasks import correction_for
from ui.text import shortened

NameOf = Callable[[str], str]
MAX_CHARS = 200


def summary(prediction: Prediction, name_of: NameOf) -> str:
    """The output in one line."""
    output: Output = prediction.output
    match output:
        case ScoredLabels():
            return ", ".join(map(name_of, output.chosen)) or "no label"
        case Spans(items):
            found = (f"{prediction.input[s.start : s.end]} ({name_of(s.label)})" for s in items)
            return shortened(", ".join(found), max_chars=MAX_CHARS) or "nothing found"
        case GeneratedText(text):
            return shortened(text, max_chars=MAX_CHARS)


def correction_in_words(prediction: Prediction, correction: str, name_of: NameOf) -> str:
    """A correction in one line; as it is stored if it is not of the form that is asked for."""
    kind = correction_for(prediction)
    if kind in ("label", "text") or not correction:
        return name_of(correction) if kind == "label" else correction
    try:
        items: Any = json.loads(correction)
        if kind == "labels":
            return ", ".join(name_of(item) for item in items) or "no label"
        words = (
            f"{prediction.input[s['start'] : s['end']]} ({name_of(s['label'])})" for s in items
        )
        return ", ".join(words) or "nothing"
    except (ValueError, TypeError, KeyError):
        return correction
