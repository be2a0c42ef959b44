"""The rating of one prediction: thumbs, and on thumbs down a correction and a comment.

Each click is stored at once as a new revision; there is nothing to submit and nothing to lose.
"""

from collections.abc import Callable
from typing import Literal

import streamlit as st

from errors import TryoutError
from feedback import Entry, Rating
from ui import shared, state, visits
from ui.parts import comment, corrections, explanation, others, rating, reviewer_name, storing
from ui.parts.text import as_markdown

THUMBS: dict[str, Literal[0, 1]] = {"down": 0, "up": 1}


@st.fragment
def show(entry: Entry, *, stored: Callable[[Entry], None] | None = None) -> None:
    """The form for the visit's own rating, and the ratings of others.

    Sends the outbox first, then calls `stored`. A fragment: a click in here runs this again and not
    the page. In one container, so that a prediction that takes long replaces all of it: a click on
    an element that is about to go would be lost.
    """
    with st.container():
        try:
            storing.store()
            if stored:
                stored(entry)
            reviewer_name.take()
            _form(entry)
        except TryoutError as error:  # the router does not see it in a fragment
            st.error(as_markdown(str(error)))


@st.fragment
def show_row(entry: Entry, html: str) -> None:
    """A prediction in a list as `html`, with thumbs beside it and the correction below."""
    with st.container(key=f"{state.Styled.ROW}{entry.prediction.id}"):
        try:
            visits.saw(entry.prediction)
            with st.container(horizontal=True, vertical_alignment="center"):
                st.html(html, width="stretch")
                mine = state.outbox().newest(entry, visits.current().reviewer, shared.log)
                _thumbs(entry, mine)
            if mine and mine.verdict == "down":
                corrections.show(entry, mine)
            if state.outbox().holds(entry.prediction.id):
                st.caption("Not stored yet.")
        except TryoutError as error:  # the router does not see it in a fragment
            st.error(as_markdown(str(error)))


def _form(entry: Entry) -> None:
    ratings = state.outbox().ratings_of(entry, visits.current().reviewer, shared.log)
    mine = ratings.mine
    with st.container(horizontal=True, vertical_alignment="center", key=state.Styled.THUMBS):
        st.markdown("**Is this right?**", width="content")
        _thumbs(entry, mine)
        if mine:
            waits = state.outbox().holds(entry.prediction.id)
            st.caption("Not stored yet" if waits else "Saved", width="content")
            st.button(
                "Retract",
                type="tertiary",
                on_click=rating.save,
                args=(entry,),
                kwargs={"retracted": True},
            )
    if mine and mine.verdict == "down":
        corrections.show(entry, mine)
    if mine and (mine.verdict == "down" or mine.comment):
        comment.show(entry, mine)
    explanation.show(entry)
    reviewer_name.ask()
    others.show(entry, ratings.others, ratings.error)


def _thumbs(entry: Entry, mine: Rating | None) -> None:
    key = _key(entry)
    st.session_state[key] = THUMBS[mine.verdict] if mine else None
    st.feedback("thumbs", key=key, on_change=_save_thumbs, args=(entry,))


def _save_thumbs(entry: Entry) -> None:
    thumbs = st.session_state[_key(entry)]
    if thumbs is None:
        rating.save(entry, retracted=True)
    elif thumbs == THUMBS["up"]:
        rating.save(entry, verdict="up", correction="")
    else:
        rating.save(entry, verdict="down")


def _key(entry: Entry) -> str:
    return f"thumbs-{entry.prediction.id}"
