"""Waits for futures, the model's among them; a rerun or a closed tab can interrupt it."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import streamlit as st

from model import ModelError, Predictor
from model.futures import is_done
from ui import shared
from ui.parts.text import as_markdown

POLL_S = 0.2
QUEUE_TIMEOUT_S = 60.0  # then the visitor is asked to try again
T = TypeVar("T")


def wait_for(future: Future[T], message: str, detail: Callable[[], str] = str) -> T:
    """The future's result; shows `message` with a spinner if it is not there at once.

    `detail` gives a second line for the spinner, or "". Raises the future's error. Streamlit can
    stop a script only in a call of its own, so it is called every 0.2 s; if it stops the script, a
    future that has not begun is cancelled, since nobody reads it.
    """
    try:
        if not is_done(future, POLL_S):
            with st.spinner(message):
                heartbeat = st.empty()
                while not is_done(future, POLL_S):
                    heartbeat.caption(detail())
        return future.result()
    finally:
        future.cancel()


def wait_for_model() -> Predictor | None:
    """The model, once it is loaded; says on the page why there is none, and offers another try."""
    try:
        return wait_for(shared.loading(), "The model is loading. It is ready in a moment.")
    except ModelError as error:
        st.error(as_markdown(str(error)))
        st.button("Try again", on_click=shared.loader().retry)
        return None
