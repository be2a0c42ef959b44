"""Review: one prediction after the other, the least sure ones first, rated by a key or a click."""

import streamlit as st

from ui import desk, review_desk, review_form
from ui.review_desk import QUEUES
from ui.text import as_markdown

st.title("Review")
st.markdown(
    "Say of one prediction after the other whether it is right. The unsure ones come first."
)
desk.store()

review_desk.restore_mode()
with st.container(horizontal=True):
    chosen = st.segmented_control(
        "Predictions",
        list(QUEUES),
        format_func=QUEUES.__getitem__,
        key="review-queue",
        required=True,
    )
    # Not a toggle: a checkbox with the focus would swallow the keys.
    output = st.segmented_control(
        "Output",
        ["Shown", "Blind"],
        key="review-output",
        required=True,
        help="Blind: you say what is right before you see what the model said, which cannot sway "
        "you.",
    )
queue, blind = chosen or "new", output == "Blind"
review_desk.keep_mode(queue, blind=blind)
review = review_desk.current()
item = review_desk.item(queue, blind=blind)
if review.said:
    st.caption(as_markdown(review.said))
if item:
    review_form.show(item, blind=blind)
else:
    st.info(review_desk.nothing_left(queue))
    if review.skipped:
        st.button(f"Show the {len(review.skipped):,} skipped", on_click=review_desk.show_skipped)
    review_form.undo()
if review.rated:
    st.caption(f"{len(review.rated):,} rated in this visit.")
