"""Stores the predictions and ratings of the outbox, and says on the page if it fails."""

import streamlit as st

from ui import shared, state
from ui.parts.text import as_markdown


def store() -> None:
    """Sends the outbox if it is due; if that fails, says so and offers to send it again."""
    box = state.outbox()
    if box.is_due:
        box.send(shared.log)
    if box.error:
        with st.container(border=True):
            st.warning(
                f"**Not stored yet.** {as_markdown(box.error)} What you predicted and rated is "
                "kept until you close this tab, and sent again when you use it."
            )
            st.button("Send again", key="send-again", on_click=box.send, args=(shared.log,))
