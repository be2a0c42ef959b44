"""The comment on a rating."""

import streamlit as st

from feedback import Entry, Rating
from feedback.records import MAX_TEXT_CHARS
from ui import state
from ui.parts import rating, typed
from ui.parts.text import printable


def show(entry: Entry, mine: Rating) -> None:
    """A field for the comment; leaving it stores the comment, so the button does nothing itself."""
    key = state.SessionState.comment_key(entry)
    typed.fill(key, printable(mine.comment))
    st.text_area("Comment (optional)", key=key, height=80, on_change=rating.save, args=(entry,))
    warn_if_too_long(key)
    st.button("Save comment")


def warn_if_too_long(key: str) -> None:
    """Says that a text is too long to be stored; the field itself would drop it in silence."""
    chars = len(st.session_state[key])
    if chars > MAX_TEXT_CHARS:
        st.error(
            f"Not stored: {chars:,} characters, and at most {MAX_TEXT_CHARS:,} are. Shorten it."
        )
