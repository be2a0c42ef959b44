"""The rating of one prediction: thumbs, and on thumbs down the right label and a comment.

Each click is stored at once as a new revision; there is nothing to submit and nothing to lose.
"""

from typing import Any, Literal

import streamlit as st

from feedback import Entry, FeedbackError, Rating
from ui import desk, shared, visits
from ui.text import as_markdown, printable

MAX_COMMENT_CHARS = 2000
THUMBS: dict[str, Literal[0, 1]] = {"down": 0, "up": 1}


def show(entry: Entry) -> None:
    """The form for the visit's own rating, and what others said."""
    _take_name()
    prediction = entry.prediction
    mine = desk.outbox().newest(entry, visits.current().reviewer, shared.log)
    with st.container(horizontal=True, vertical_alignment="center", key="thumbs"):
        st.markdown("**Is this right?**", width="content")
        thumbs_key = f"thumbs-{prediction.id}"
        st.session_state[thumbs_key] = THUMBS[mine.verdict] if mine else None
        st.feedback("thumbs", key=thumbs_key, on_change=_thumbs_changed, args=(entry,))
        if mine:
            kept = desk.outbox().holds(prediction.id)
            st.caption("Not stored yet" if kept else "Saved", width="content")
            st.button(
                "Retract",
                type="tertiary",
                on_click=_save,
                args=(entry,),
                kwargs={"retracted": True},
            )
    if mine and mine.verdict == "down":
        _correct(entry, mine)
    _name()
    _others(entry)


def _correct(entry: Entry, mine: Rating) -> None:
    prediction = entry.prediction
    label_key, comment_key = f"correction-{prediction.id}", f"comment-{prediction.id}"
    others = sorted(item.label for item in prediction.output if item.label != prediction.label)
    st.session_state[label_key] = mine.correction if mine.correction in others else None
    st.pills(
        "What should it have been?",
        others,
        format_func=as_markdown,
        key=label_key,
        on_change=_correction_changed,
        args=(entry,),
    )
    _fill(comment_key, printable(mine.comment))
    st.text_area(
        "Comment (optional)",
        key=comment_key,
        max_chars=MAX_COMMENT_CHARS,
        height=80,
        on_change=_save,
        args=(entry,),
    )
    # Leaving the field stores the comment; the button is a place to go to.
    st.button("Save comment")


def _name() -> None:
    _fill("name", visits.current().name)
    st.text_input(
        "Your name (optional)",
        key="name",
        max_chars=visits.MAX_NAME_CHARS,
        placeholder="Stored with your ratings",
        help="Ratings under the same name count as one reviewer's.",
        width=280,
    )


def _others(entry: Entry) -> None:
    """The ratings of other reviewers, as text."""
    try:
        for rating in shared.log().ratings_of(entry.prediction.id):
            if rating.reviewer != visits.current().reviewer:
                st.text(_sentence(rating))
    except FeedbackError as error:
        st.caption(f"The ratings of others cannot be shown now. {as_markdown(str(error))}")


def _sentence(rating: Rating) -> str:
    """Another reviewer's rating in words, as plain text."""
    parts = [f"{rating.reviewer} rated it {rating.verdict}"]
    if rating.correction:
        parts.append(f"said {rating.correction}")
    if rating.comment:
        parts.append(f"“{rating.comment}”")
    return printable(", ".join(parts))


# --- callbacks: each runs before the page and stores -------------------------------------------
# A reading of the session's state can end a run that the visitor has overtaken with another
# click. So everything is read first, and what has begun to be stored is stored.


def _thumbs_changed(entry: Entry) -> None:
    thumbs = st.session_state[f"thumbs-{entry.prediction.id}"]
    if thumbs is None:
        _save(entry, retracted=True)
    elif thumbs == THUMBS["up"]:
        _save(entry, verdict="up", correction="")
    else:
        _save(entry, verdict="down")


def _correction_changed(entry: Entry) -> None:
    _save(entry, correction=st.session_state[f"correction-{entry.prediction.id}"] or "")


def _save(entry: Entry, **changes: Any) -> None:
    """Stores a revision: `changes`, and a comment that was typed and not taken yet."""
    reviewer, box = visits.current().reviewer, desk.outbox()
    comment_key = f"comment-{entry.prediction.id}"
    comment = _typed(comment_key)
    if comment is not None:
        changes["comment"] = comment.strip()
    box.revise(entry, reviewer, shared.log, **changes)
    if comment is not None:
        st.session_state[f"{comment_key}-taken"] = comment


# A callback that is overtaken never comes back. What was typed is therefore compared with what was
# last taken, so that the next run takes it, whichever click that run is for.


def _fill(key: str, text: str) -> None:
    """Puts `text` into a field that this session has not shown yet."""
    if key not in st.session_state:
        st.session_state[key] = st.session_state[f"{key}-taken"] = text


def _typed(key: str) -> str | None:
    """What is in a field and was not taken yet."""
    text: str | None = st.session_state.get(key)
    return None if text == st.session_state.get(f"{key}-taken") else text


def _take_name() -> None:
    """A reviewer who rated and then gave a name is one reviewer, not two."""
    old, name, box = visits.current(), _typed("name"), desk.outbox()
    if name is not None:
        box.rename(old.reviewer, visits.rename(old, name).reviewer, shared.log)
        st.session_state["name-taken"] = name
