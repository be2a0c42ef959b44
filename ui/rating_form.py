"""The rating of one prediction: thumbs, and on thumbs down the right label and a comment.

Each click is stored at once as a new revision; there is nothing to submit and nothing to lose.
"""

from dataclasses import replace
from typing import Any, Literal

import streamlit as st

from feedback import Entry, FeedbackError, Rating
from model.prediction import new_id, now
from ui import desk, shared, visits
from ui.text import as_markdown, printable

MAX_COMMENT_CHARS = 2000
THUMBS: dict[str, Literal[0, 1]] = {"down": 0, "up": 1}


def show(entry: Entry) -> None:
    """The form for the visit's own rating, and what others said."""
    prediction = entry.prediction
    visit = visits.current()
    ratings = _ratings(entry)
    mine = ratings.pop(visit.reviewer, None)
    if mine and mine.retracted:
        mine = None

    with st.container(horizontal=True, vertical_alignment="center", key="thumbs"):
        st.markdown("**Is this right?**", width="content")
        thumbs_key = f"thumbs-{prediction.id}"
        st.session_state[thumbs_key] = THUMBS[mine.verdict] if mine else None
        st.feedback("thumbs", key=thumbs_key, on_change=_thumbs_changed, args=(entry, mine))
        if mine:
            state = "not stored yet" if desk.outbox().error else "saved"
            st.caption(f"Your rating is {state}.", width="content")
            st.button(
                "Retract",
                type="tertiary",
                on_click=_save,
                args=(entry, mine),
                kwargs={"retracted": True},
            )
    if mine and mine.verdict == "down":
        _correct(entry, mine)
    _name(entry, mine)
    for rating in ratings.values():
        if not rating.retracted:
            st.text(_sentence(rating))


def _ratings(entry: Entry) -> dict[str, Rating]:
    """The newest rating of each reviewer, stored or waiting to be."""
    try:
        stored = shared.log().ratings_of(entry.prediction.id) if not desk.outbox().error else []
    except FeedbackError as error:
        st.caption(f"Stored ratings cannot be shown now: {as_markdown(str(error))}")
        stored = []
    waiting = desk.outbox().ratings_of(entry.prediction.id)
    return {rating.reviewer: rating for rating in (*stored, *waiting)}


def _correct(entry: Entry, mine: Rating) -> None:
    prediction = entry.prediction
    label_key, comment_key = f"correction-{prediction.id}", f"comment-{prediction.id}"
    st.session_state[label_key] = mine.correction or None
    others = sorted(item.label for item in prediction.output if item.label != prediction.label)
    st.pills(
        "What should it have been?",
        others,
        format_func=as_markdown,
        key=label_key,
        on_change=_correction_changed,
        args=(entry, mine),
    )
    with st.form(f"form-{prediction.id}", border=False):
        st.session_state.setdefault(comment_key, printable(mine.comment))
        st.text_area("Comment (optional)", key=comment_key, max_chars=MAX_COMMENT_CHARS, height=80)
        st.form_submit_button("Save comment", on_click=_comment_saved, args=(entry, mine))


def _name(entry: Entry, mine: Rating | None) -> None:
    visit = visits.current()
    st.session_state.setdefault("name", visit.name)
    st.text_input(
        "Your name (optional)",
        key="name",
        max_chars=visits.MAX_NAME_CHARS,
        on_change=_renamed,
        args=(entry, mine),
        placeholder="Stored with your ratings",
        width=280,
    )


# --- callbacks: each runs before the page, stores, and leaves what failed in the outbox --------


def _thumbs_changed(entry: Entry, mine: Rating | None) -> None:
    thumbs = st.session_state[f"thumbs-{entry.prediction.id}"]
    if thumbs is not None:
        _save(
            entry,
            mine,
            verdict="up" if thumbs == THUMBS["up"] else "down",
            correction="",
            comment=mine.comment if mine else "",
        )
    elif mine:
        _save(entry, mine, retracted=True)


def _correction_changed(entry: Entry, mine: Rating) -> None:
    _save(entry, mine, correction=st.session_state[f"correction-{entry.prediction.id}"] or "")


def _comment_saved(entry: Entry, mine: Rating) -> None:
    _save(entry, mine, comment=st.session_state[f"comment-{entry.prediction.id}"].strip())


def _renamed(entry: Entry, mine: Rating | None) -> None:
    """A reviewer who rated and then gave a name is one reviewer, not two."""
    visits.remember_name(visits.current().id, st.session_state["name"])
    if mine and mine.reviewer != visits.current().reviewer:
        _save(entry, mine, retracted=True)
        _save(entry, mine, reviewer=visits.current().reviewer)


def _save(entry: Entry, mine: Rating | None, **changes: Any) -> None:
    """Stores a revision of `mine`, or a first rating."""
    fresh: dict[str, Any] = {"id": new_id(), "created_at": now()}
    if mine is None:
        rating = Rating(
            prediction_id=entry.prediction.id,
            reviewer=visits.current().reviewer,
            **fresh,
            **changes,
        )
    else:
        rating = replace(mine, **fresh, **changes)
    desk.outbox().put(entry, rating)
    desk.outbox().send(shared.log)


def _sentence(rating: Rating) -> str:
    """Another reviewer's rating in words, as plain text."""
    parts = [f"{rating.reviewer} rated it {rating.verdict}"]
    if rating.correction:
        parts.append(f"said {rating.correction}")
    if rating.comment:
        parts.append(f"“{rating.comment}”")
    return printable(", ".join(parts))
