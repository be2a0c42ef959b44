"""Waits for a future in a way that a rerun or a closed tab can interrupt."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import streamlit as st

from model.futures import is_done

POLL_S = 0.2
T = TypeVar("T")


def wait_for(future: Future[T], message: str, detail: Callable[[], str] = str) -> T:
    """The future's result; shows `message` with a spinner if it is not there at once.

    `detail` says more while it takes longer, or "". Raises what the future raises. Streamlit can
    stop a script only in one of its own calls, so there is one every 0.2 s; then a future that has
    not begun is cancelled, since nobody reads it.
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
