"""The batch that a visitor has open: the one in the URL, else the one this session opened last."""

from uuid import UUID

import streamlit as st

from feedback import batches
from feedback.batches import Batch
from model import Predictor
from ui import shared, state, visits
from ui.parts.text import as_markdown, counted, shortened

RECENT = 5


def current() -> Batch | None:
    """The batch that is open; says on the page if there is no such batch."""
    batch_id = st.query_params.get("b") or state.batch_page().opened
    if batch_id is None:
        return None
    try:
        batch = batches.find(shared.log(), UUID(batch_id))
    except ValueError:
        batch = None
    if batch is None:
        st.warning(f"There is no batch {as_markdown(batch_id[:40])} in the log.")
        close()
        return None
    _open(batch)
    return batch


def start(batch: Batch, model: Predictor) -> None:
    """Starts the prediction of the rows that are left of a batch, and opens it."""
    left = batches.progress(shared.log(), batch).left
    shared.batches().start(batch, model, left=left)
    _open(batch)
    state.batch_page().clear_form()


def close() -> None:
    """Closes the batch, whose prediction goes on; the page asks for a new one."""
    state.batch_page().opened = None
    st.query_params.pop("b", None)


def show_recent() -> None:
    """A button for each of the newest batches of this visit, which opens it again."""
    recent = batches.of_session(shared.log(), visits.current().id, limit=RECENT)
    if not recent:
        return
    st.subheader("Your batches")
    for batch in recent:
        name = as_markdown(shortened(batch.name, max_chars=60))
        st.button(
            f"{name} · {counted(batch.rows, 'row')} · {batch.created_at:%Y-%m-%d %H:%M} UTC",
            key=f"open-{batch.id}",
            type="tertiary",
            on_click=_open,
            args=(batch,),
        )


def _open(batch: Batch) -> None:
    state.batch_page().opened = st.query_params["b"] = str(batch.id)
