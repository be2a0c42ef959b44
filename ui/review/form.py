"""A prediction to review: rated by a key or a click, after which the next prediction comes.

A button's key has the prediction's id in it, so that a second press of a key never rates the next
prediction unseen.
"""

import streamlit as st

from feedback.corrections import closed_labels
from ui import state, visits
from ui.parts import explanation, rating_form, reviewer_name
from ui.parts.card import card_html, input_html
from ui.parts.labels import names_for, shown_labels
from ui.parts.text import as_markdown
from ui.review import session
from ui.state import ReviewItem

NO_LABELS = "Not blind: there are no labels to choose from before the output is seen."
MAX_KEYS = 9
MAX_LABEL_CHARS = 40


def show(item: ReviewItem, *, blind: bool) -> None:
    """The prediction, and all ways to say whether it is right."""
    prediction = item.entry.prediction
    labels = closed_labels(prediction)
    multi_label = prediction.answer_kind == "labels"
    if blind and (not labels or visits.has_seen(item.entry)):
        blind = False
        st.caption("You have seen the output of this prediction." if labels else NO_LABELS)
    if blind:
        st.html(input_html(prediction))
    else:
        visits.saw(prediction)
        st.html(card_html(prediction, names_for(prediction)))
    by_key = labels and not multi_label and len(labels) <= MAX_KEYS
    if by_key:
        _by_key(item, labels, blind=blind)
    elif blind:
        _blind_choice(item, labels, multi_label=multi_label)
    else:
        rating_form.show(item.entry)  # asks for a name, too
    _move(item, label="Skip" if by_key or blind else "Next")
    if by_key and not blind:
        explanation.show(item.entry)
    if by_key or blind:
        reviewer_name.take_and_ask()


def _by_key(item: ReviewItem, labels: list[str], *, blind: bool) -> None:
    names = _names(item, labels)
    predicted = item.entry.prediction.label
    with st.container(horizontal=True, key="verdicts"):
        if not blind:
            st.button(
                "Right",
                key=f"right-{item.id}",
                shortcut="Y",
                type="primary",
                on_click=session.rate,
                args=(item, [predicted]),
            )
        for number, label in enumerate(labels, start=1):
            if blind or label != predicted:
                st.button(
                    names[label],
                    key=f"label-{number}-{item.id}",
                    shortcut=str(number),
                    on_click=session.rate,
                    args=(item, [label]),
                    kwargs={"blind": blind},
                )
        if not blind:
            st.button(
                "Wrong",
                key=f"wrong-{item.id}",
                shortcut="N",
                on_click=session.rate_wrong,
                args=(item,),
                help="Wrong, and the right label is unknown or none of these",
            )


def _blind_choice(item: ReviewItem, labels: list[str], *, multi_label: bool) -> None:
    """A choice among labels of which several can apply, or which are more than there are keys."""
    names, key = _names(item, labels), f"blind-{item.id}"
    if multi_label:
        chosen = st.multiselect(
            "Which labels apply?", labels, format_func=names.__getitem__, key=key
        )
    else:
        label = st.selectbox(
            "Which label is it?", labels, index=None, format_func=names.__getitem__, key=key
        )
        chosen = [] if label is None else [label]
    st.button(
        "Save",
        key=f"save-{item.id}",
        type="primary",
        disabled=not (chosen or multi_label),
        on_click=session.rate,
        args=(item, chosen),
        kwargs={"blind": True},
    )


def _names(item: ReviewItem, labels: list[str]) -> dict[str, str]:
    name_of = names_for(item.entry.prediction)
    names = shown_labels(labels, empty="none", name_of=name_of, max_chars=MAX_LABEL_CHARS)
    return {label: as_markdown(name) for label, name in names.items()}


def _move(item: ReviewItem, *, label: str) -> None:
    with st.container(horizontal=True, key="moves"):
        st.button(label, key=f"on-{item.id}", shortcut="S", on_click=session.go_on, args=(item,))
        show_undo()


def show_undo() -> None:
    """A button that takes back the last rating, if there is one."""
    if rated := state.review_page().rated:
        st.button(
            "Undo the last",
            key=f"undo-{rated[-1].id}",
            shortcut="Z",
            on_click=session.undo,
            args=(rated[-1],),
        )
