"""The ratings of other reviewers, a sentence each."""

from collections.abc import Iterable

import streamlit as st

from feedback import Entry, Rating
from ui.parts import corrections
from ui.parts.labels import names_for
from ui.parts.text import as_markdown, printable


def show(entry: Entry, ratings: Iterable[Rating], error: str) -> None:
    """The ratings; `error` is the reason if they cannot be shown."""
    for rating in ratings:
        st.text(sentence(entry, rating))
    if error:
        st.caption(f"The ratings of others cannot be shown now. {as_markdown(error)}")


def sentence(entry: Entry, rating: Rating) -> str:
    """A rating in words, as plain text."""
    parts = [f"{rating.reviewer} rated it {rating.verdict}"]
    if rating.correction:
        prediction = entry.prediction
        words = corrections.in_words(prediction, rating.correction, names_for(prediction))
        parts.append(f"said {words}")
    if rating.comment:
        parts.append(f"“{rating.comment}”")
    return printable(", ".join(parts))
