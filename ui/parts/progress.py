"""Work that goes on in the background, as a page shows it: how far it is, and a button to stop."""

from collections.abc import Callable
from typing import Protocol

import streamlit as st

from ui.parts.text import as_markdown

EVERY_S = 1.0  # a page asks how far it is


class Work(Protocol):
    """What goes on, and ends soon after it was stopped."""

    @property
    def stopped(self) -> bool: ...
    @property
    def stop(self) -> Callable[[], None]: ...


def show(work: Work, done: int, total: int, text: str) -> None:
    """A bar with `text` in it, and a button that stops the work."""
    st.progress(min(done / max(1, total), 1.0), as_markdown(text))
    st.button(
        "Stopping…" if work.stopped else "Stop",
        icon=":material/stop_circle:",
        on_click=work.stop,
        disabled=work.stopped,
    )


def in_words(done: int, total: int, per_s: float) -> str:
    """How far it is, how fast it goes and how long it takes; 0 a second is not known yet."""
    parts = [f"{done:,} of {total:,}"]
    if per_s:
        parts += [f"{per_s:,.0f} a second", f"about {_duration((total - done) / per_s)} left"]
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{seconds / 60:.0f} min"
