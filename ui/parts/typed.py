"""Text fields whose content is stored by whichever click comes next.

A callback that another click overtakes is lost. So the content of a field is compared with the
text that was last taken from it, and the next store takes it.
"""

import streamlit as st

from ui import state


def fill(key: str, text: str) -> None:
    """Puts `text` into a field that this session has not shown yet."""
    if key not in st.session_state:
        taken = state.session().taken  # first: a read can end the run, and leave only the half
        st.session_state[key] = text
        taken[key] = text


def untaken(key: str) -> str | None:
    """The content of a field if it was not taken yet, else None."""
    text: str | None = st.session_state.get(key)
    return None if text == state.session().taken.get(key) else text


def take(key: str, text: str) -> None:
    """Notes that `text`, the content of a field, is stored."""
    state.session().taken[key] = text
