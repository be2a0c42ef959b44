"""Review: one prediction after another, the least sure first, rated by a key or a click."""

import streamlit as st

from ui import state
from ui.parts import storing
from ui.parts.text import as_markdown
from ui.review import form, session
from ui.review.session import QUEUES

st.title("Review")
st.markdown("Say of one prediction after another whether it is right. The least sure come first.")
storing.store()

session.restore_mode()
with st.container(horizontal=True):
    chosen = st.segmented_control(
        "Predictions",
        list(QUEUES),
        format_func=QUEUES.__getitem__,
        key=state.ReviewState.QUEUE,
        required=True,
    )
    # Not a toggle: a checkbox with the focus would swallow the keys.
    output = st.segmented_control(
        "Output",
        ["Shown", "Blind"],
        key=state.ReviewState.OUTPUT,
        required=True,
        help="Blind: you say what is right before you see the output, so that it cannot sway you.",
    )
queue, blind = chosen or "new", output == "Blind"
session.keep_mode(queue, blind=blind)
review = state.review_page()
item = session.current_item(queue, blind=blind)
if review.message:
    st.caption(as_markdown(review.message))
if item:
    form.show(item, blind=blind)
else:
    st.info(session.nothing_left(queue))
    if review.skipped:
        st.button(f"Show the {len(review.skipped):,} skipped", on_click=session.show_skipped)
    form.show_undo()
if review.rated:
    st.caption(f"{len(review.rated):,} rated in this visit.")
