"""The batch that a visitor has open: the one in the URL, else the one this session opened last."""

import streamlit as st

from feedback import any_batch, batches
from feedback.any_batch import AnyBatch
from feedback.batches import Batch
from model import Predictor
from ui import shared, state
from ui.parts.text import as_markdown


def current() -> AnyBatch | None:
    """The job or the batch that is open; says on the page if there is none of that name or id."""
    name = st.query_params.get("b") or state.batch_page().opened
    if name is None:
        return None
    batch = any_batch.find(shared.log(), name)
    if batch is None:
        st.warning(f"There is no batch {as_markdown(name[:40])} in the log.")
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


def _open(batch: AnyBatch) -> None:
    page, batch_id = state.batch_page(), str(any_batch.id_of(batch))
    if page.opened != batch_id:
        page.opened, page.looked_up = batch_id, ""
    st.query_params["b"] = batch_id
