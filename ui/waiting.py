"""Waits for a future in a way that a rerun or a closed tab can interrupt."""

from concurrent.futures import Future, wait
from typing import TypeVar

import streamlit as st

POLL_S = 0.2
T = TypeVar("T")


def wait_for(future: Future[T], message: str) -> T:
    """The future's result; shows `message` with a spinner if it is not there at once.

    Raises what the future raises. Streamlit can stop a script only in one of its own calls, so
    there is one every 0.2 s; then a future that has not begun is cancelled, since nobody reads it.
    """
    try:
        if not wait([future], POLL_S).done:
            with st.spinner(message):
                heartbeat = st.empty()
                while not wait([future], POLL_S).done:
                    heartbeat.empty()
        return future.result()
    finally:
        future.cancel()
