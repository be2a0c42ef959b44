"""The age of the predictions of a batch in a sentence, and the share that is stale."""

import streamlit as st

from feedback.any_batch import Figures
from ui.batch import live


def show(figures: Figures, *, renew: str = "") -> None:
    """Says when the predictions were made, and if the model has changed since.

    `renew` says what predicts the stale ones anew.
    """
    if figures.oldest is None:
        return
    st.caption(in_words(figures, renew=renew))
    if figures.stale is None:
        live.note_if_missing()


def in_words(figures: Figures, *, renew: str = "") -> str:
    """The sentence as markdown."""
    if figures.oldest == figures.newest:
        words = f"Made on {figures.oldest}."
    else:
        words = f"Made between {figures.oldest} and {figures.newest}."
    stale = figures.stale
    if stale is None:
        return words
    if not stale:
        return f"{words} All are by the model as it is now."
    some = "all" if stale == figures.stored else f"{stale:,}"
    verb = "is" if stale == 1 and some != "all" else "are"
    words += f" **The model has changed since:** {some} of {figures.stored:,} {verb} by another "
    words += "revision."
    return f"{words} {renew}".strip()
