"""Outputs and corrections in one line of words. Knows no Streamlit.

Stored is always what the model says; a page passes `name_of`, which gives the owner's names.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from feedback.corrections import labels_from_text, spans_from_text
from feedback.records import ModelRevision
from files.names import numbered
from model.prediction import GeneratedText, Output, Prediction, ScoredLabels, Span, Spans
from ui.parts.text import printable, shortened

NameOf = Callable[[str], str]
T = TypeVar("T")
MAX_CHARS = 200


def summary(prediction: Prediction, name_of: NameOf) -> str:
    """The output in one line."""
    output: Output = prediction.output
    match output:
        case ScoredLabels():
            return ", ".join(map(name_of, output.chosen)) or "no label"
        case Spans(items):
            found = _in_words(prediction.input, items, name_of)
            return shortened(found, max_chars=MAX_CHARS) or "nothing found"
        case GeneratedText(text):
            return shortened(text, max_chars=MAX_CHARS)


def correction_in_words(prediction: Prediction, correction: str, name_of: NameOf) -> str:
    """A correction in one line; as it is stored if it is not of the form that is asked for."""
    kind = prediction.answer_kind
    if kind == "label" and correction:
        return name_of(correction)
    if kind == "labels" and (labels := labels_from_text(correction)) is not None:
        return ", ".join(map(name_of, labels)) or "no label"
    if kind == "spans" and (spans := spans_from_text(correction)) is not None:
        return _in_words(prediction.input, spans, name_of) or "nothing"
    return correction


def distinct(items: Iterable[T], shown: Callable[[T], str]) -> dict[T, str]:
    """What to show for each item, never the same for two: Streamlit takes one for the other."""
    every = list(dict.fromkeys(items))
    return dict(zip(every, numbered(map(shown, every)), strict=True))


def revision_name(revision: ModelRevision) -> str:
    """A model in one short line."""
    model_id = shortened(revision.model_id, max_chars=40)
    return printable(f"{model_id} @ {revision.model_revision[:7]}")


def _in_words(text: str, spans: Sequence[Span], name_of: NameOf) -> str:
    found = (f"{text[span.start : span.end]} ({name_of(span.label)})" for span in spans)
    return ", ".join(found)
