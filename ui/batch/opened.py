"""Which batch a visitor has open: the one in the URL, else the one this session opened last."""

from uuid import UUID

import streamlit as st

from feedback import batches
from feedback.batches import Batch
from model import Predictor
from ui import shared, visits
from ui.parts.text import as_markdown, counted, shortened

RECENT = 5


def opened() -> Batch | None:
    """The batch that is open; says on the page if there is no such batch."""
    wanted = st.query_params.get("b") or st.session_state.get("batch")
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
    clear_form()


def leave() -> None:
    """Closes the batch, which goes on; the next run asks for another."""
    st.session_state.pop("batch", None)
    st.query_params.pop("b", None)


def clear_form() -> None:
    """Lets go of what was given, a table of megabytes, and has the next form begin empty.

    By other keys: a widget that was away for a run is empty in the browser, and not here.
    """
    st.session_state["batch-form"] = st.session_state.get("batch-form", 0) + 1
    st.session_state.pop("upload", None)


def form_key(name: str) -> str:
    """The key of a widget of the form."""
    return f"batch-{name}-{st.session_state.get('batch-form', 0)}"


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
    st.session_state["batch"] = st.query_params["b"] = str(batch.id)
