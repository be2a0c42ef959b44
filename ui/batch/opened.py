"""Which batch a visitor has open: the one in the URL, else the one this session opened last."""

from uuid import UUID

import streamlit as st

from feedback import batches
from feedback.batches import Batch
from model import Predictor
from ui import shared, state, visits
from ui.parts.text import as_markdown, counted, shortened

RECENT = 5


def opened() -> Batch | None:
    """The batch that is open; says on the page if there is no such batch."""
    wanted = st.query_params.get("b") or state.batch_page().opened
    if wanted is None:
        return None
    try:
        batch = batches.find(shared.log(), UUID(wanted))
    except ValueError:
        batch = None
    if batch is None:
        st.warning(f"There is no batch {as_markdown(wanted[:40])} in the log.")
        leave()
        return None
    _open(batch)
    return batch


def begin(batch: Batch, model: Predictor) -> None:
    """Puts what is left of a batch under way, and opens it."""
    left = batches.progress(shared.log(), batch).left
    shared.batches().start(batch, model, left=left)
    _open(batch)
    state.batch_page().clear_form()


def leave() -> None:
    """Closes the batch, which goes on; the next run asks for another."""
    state.batch_page().opened = None
    st.query_params.pop("b", None)


def recent() -> None:
    """The batches of this visit, to be opened again."""
    found = batches.of_session(shared.log(), visits.current().id, limit=RECENT)
    if not found:
        return
    st.subheader("Your batches")
    for batch in found:
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
