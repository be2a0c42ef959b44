"""Compare: another model beside the live one, on the rated predictions or text by text."""

import streamlit as st

from ui import shared
from ui.compare import challenger, replay, side_by_side, traffic
from ui.parts import model_change, storing, waiting

PARTS = {"replay": "Replay", "pair": "Side by side"}

st.title("Compare")
st.markdown(
    "Is the next model better? Load it beside the live model, and compare the two on the rated "
    "texts, or on a text of yours."
)
storing.store()
live = waiting.wait_for_model()
if live is None:
    st.stop()
model_change.note(live)
other = challenger.choose(live)
parts = PARTS | ({"traffic": "Programs"} if shared.settings().shadow.id else {})
part = st.segmented_control(
    "Compare by",
    list(parts),
    format_func=parts.__getitem__,
    default="replay",
    required=True,
    key="part",
    label_visibility="collapsed",
)
if part == "replay":
    replay.show(live, other)
elif part == "traffic":
    traffic.show()
else:
    side_by_side.show(live, other)
