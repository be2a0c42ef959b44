"""The reviewer's name: asked for beside a rating, taken with the next click."""

import streamlit as st

from feedback.records import MAX_NAME_CHARS
from ui import shared, state, visits
from ui.parts import typed
from ui.parts.text import as_markdown

KEY = state.SessionState.NAME


def take_and_ask() -> None:
    """Takes a name that was typed, and asks for one."""
    take()
    ask()


def ask() -> None:
    """A field for the name; says below it if the name that was typed is reserved."""
    typed.fill(KEY, visits.current().name)
    name = st.text_input(
        "Your name (optional)",
        key=KEY,
        max_chars=MAX_NAME_CHARS,
        placeholder="Stored with your ratings",
        help="Ratings under one name are one reviewer's; another name is another reviewer.",
        width=280,
    )
    if visits.is_reserved(name):
        st.error(
            "Not stored, as no name may begin with “anonymous-”; your ratings have the name "
            f"{as_markdown(visits.current().reviewer)}."
        )


def take() -> None:
    """Takes the name that was typed.

    The first name given takes over what was rated anonymously; a later name is another reviewer.
    A reserved name changes nothing.
    """
    visit, name, box = visits.current(), typed.untaken(KEY), state.outbox()
    if name is not None and not visits.is_reserved(name):
        renamed = visits.rename(visit, name)
        if not visit.name:
            box.rename(visit.reviewer, renamed.reviewer, shared.log)
        typed.take(KEY, name)
