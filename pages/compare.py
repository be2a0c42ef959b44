"""Compare: another model beside the one that is live, by what was rated or text by text."""

import streamlit as st

from ui.compare import challenger, replay, side_by_side
from ui.parts import storing, waiting

PARTS = {"replay": "Replay", "pair": "Side by side"}

st.title("Compare")
st.markdown(
    "Is the next model better? Load it beside the one that is live, and see what it makes of the "
    "texts that were rated, or of one of yours."
)
storing.store()
live = waiting.wait_for_model()
if live is None:
    st.stop()
other = challenger.choose(live)
part = st.segmented_control(
    "Compare by",
    list(PARTS),
    format_func=PARTS.__getitem__,
    default="replay",
    required=True,
    key="part",
    label_visibility="collapsed",
)
if part == "replay":
    replay.show(live, other)
else:
    side_by_side.show(live, other)
