"""The correction of an output: the widgets for it after thumbs down, and a correction in words.

All kinds of answers are told apart here; a kind that is forgotten is a type error.
"""

from collections.abc import Mapping, Sequence
from typing import Any, assert_never, cast

import streamlit as st

from feedback import Entry, Rating
from feedback.corrections import (
    closed_labels,
    labels_from_text,
    labels_to_text,
    spans_from_text,
    spans_to_text,
)
from model import GeneratedText, Prediction, ScoredLabels, Spans
from ui import shared, state
from ui.parts import rating, typed
from ui.parts.comment import warn_if_too_long
from ui.parts.labels import NameOf, distinct, names_for
from ui.parts.output import spans_in_words
from ui.parts.spans import corrected, edited, span_rows
from ui.parts.text import as_markdown, printable

MAX_PILLS = 12
TITLE = "What should it have been?"


def show(entry: Entry, mine: Rating) -> None:
    """Asks for the right answer, by a widget for the kind of answer of the prediction."""
    prediction = entry.prediction
    match prediction.answer_kind:
        case "label":
            _label(entry, cast(ScoredLabels, prediction.output), mine)
        case "labels":
            _labels(entry, cast(ScoredLabels, prediction.output), mine)
        case "text":
            _text(entry, mine)
        case "spans":
            _spans(entry, cast(Spans, prediction.output), mine)
        case kind:
            assert_never(kind)


def in_words(prediction: Prediction, correction: str, name_of: NameOf) -> str:
    """A correction in one line; as it is stored if it is not of the prediction's kind of answer."""
    match prediction.answer_kind:
        case "label":
            return name_of(correction) if correction else ""
        case "labels":
            labels = labels_from_text(correction)
            if labels is None:
                return correction
            return ", ".join(map(name_of, labels)) or "no label"
        case "spans":
            spans = spans_from_text(correction)
            if spans is None:
                return correction
            return spans_in_words(prediction.spanned, spans, name_of) or "nothing"
        case "text":
            return correction
        case kind:
            assert_never(kind)


def _label(entry: Entry, output: ScoredLabels, mine: Rating) -> None:
    """A choice among the labels that were not predicted."""
    key = _key(entry)
    options = [label for label in closed_labels(entry.prediction) if label != output.label]
    if not options:
        return
    st.session_state[key] = mine.correction if mine.correction in options else None
    common = _choices(entry, options) | {"key": key, "on_change": _save_label, "args": (entry,)}
    if len(options) <= MAX_PILLS:
        st.pills(TITLE, **common)
    else:
        st.selectbox(TITLE, placeholder="Choose a label", **common)


def _labels(entry: Entry, output: ScoredLabels, mine: Rating) -> None:
    """A choice of all labels that apply, which begins with the predicted labels."""
    key, options = _key(entry), closed_labels(entry.prediction)
    corrected_to = labels_from_text(mine.correction)
    chosen = output.chosen if corrected_to is None else corrected_to
    st.session_state[key] = [label for label in chosen if label in options]
    common = _choices(entry, options) | {"key": key, "on_change": _save_labels, "args": (entry,)}
    title = "Which labels should it have been?"
    if len(options) <= MAX_PILLS:
        st.pills(title, selection_mode="multi", **common)
    else:
        st.multiselect(title, **common)


def _choices(entry: Entry, options: Sequence[str]) -> dict[str, Any]:
    """The options of a widget with their names, as markdown if the widget is pills."""
    name_of = names_for(entry.prediction)
    safe = as_markdown if len(options) <= MAX_PILLS else printable
    names = distinct(options, lambda label: safe(name_of(label)))
    return {"options": options, "format_func": names.__getitem__}


def _text(entry: Entry, mine: Rating) -> None:
    """A field for the word in a gap, or for the generated text as it should have been."""
    key, output = state.SessionState.correction_key(entry), entry.prediction.output
    common: dict[str, Any] = {"key": key, "on_change": rating.save, "args": (entry,)}
    if isinstance(output, GeneratedText):
        typed.fill(key, printable(mine.correction or output.text))
        st.text_area(TITLE, height=160, **common)
        warn_if_too_long(key)
        st.button("Save correction")
    else:
        typed.fill(key, printable(mine.correction))
        st.text_input(TITLE, **common)
        warn_if_too_long(key)


def _spans(entry: Entry, output: Spans, mine: Rating) -> None:
    """The spans as rows of words and labels; a change of the rows is stored at once."""
    prediction = entry.prediction
    key, memory = f"spans-{prediction.id}", state.session().span_rows
    if key not in st.session_state or prediction.id not in memory:
        memory[prediction.id] = span_rows(prediction.spanned, output, mine.correction)
    rows = memory[prediction.id]
    changes = st.session_state.get(key)
    answer = corrected(prediction.spanned, edited(rows, changes) if changes else rows)
    if changes and any(changes.values()) and spans_to_text(answer.spans) != mine.correction:
        # Not in a callback: one that another click overtakes is lost.
        rating.save(entry, correction=spans_to_text(answer.spans))
    read = "" if prediction.spans_of == "input" else " that the model read"
    st.caption(f"{TITLE} Change, delete or add rows: words of the text{read}, a label.")
    _span_editor(prediction, rows, key)
    for problem in answer.problems:
        st.caption(as_markdown(problem))


def _span_editor(prediction: Prediction, rows: Sequence[Mapping[str, Any]], key: str) -> None:
    name_of = names_for(prediction)
    labels = list(dict.fromkeys([*_model_labels(prediction), *(row["label"] for row in rows)]))
    names = distinct(labels, lambda label: printable(name_of(label)))
    # A server that does not tell its model's labels has more of them than this prediction.
    has_others = shared.is_live(prediction) and not _model_labels(prediction)
    st.data_editor(
        {name: [printable(row[name]) for row in rows] for name in ("text", "label")},
        key=key,
        num_rows="dynamic",
        hide_index=True,
        column_config={
            "text": st.column_config.TextColumn("Words"),
            "label": st.column_config.SelectboxColumn(
                "Label", options=labels, format_func=lambda label: names[str(label)]
            )
            if labels and not has_others
            else st.column_config.TextColumn("Label"),
        },
    )


def _model_labels(prediction: Prediction) -> Sequence[str]:
    """The labels of the live model if it made the prediction, else none."""
    model = shared.loaded()
    return model.info.labels if model and shared.is_live(prediction) else ()


def _key(entry: Entry) -> str:
    return f"right-labels-{entry.prediction.id}"


def _save_label(entry: Entry) -> None:
    rating.save(entry, correction=st.session_state[_key(entry)] or "")


def _save_labels(entry: Entry) -> None:
    rating.save(entry, correction=labels_to_text(st.session_state[_key(entry)]))
