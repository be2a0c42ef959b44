"""The progress of a job as a page shows it: a bar, the time left, and a button to stop."""

from collections.abc import Callable
from typing import Protocol

import streamlit as st

from ui.parts.text import as_markdown

EVERY_S = 1.0  # between two looks of a page


class Stoppable(Protocol):
    """A job that ends soon after it is stopped."""

    @property
    def stopped(self) -> bool: ...
    @property
    def stop(self) -> Callable[[], None]: ...


def show(job: Stoppable, done: int, total: int, text: str) -> None:
    """A bar with `text` in it, and a button that stops the job."""
    st.progress(min(done / max(1, total), 1.0), as_markdown(text))
    st.button(
        "Stopping…" if job.stopped else "Stop",
        icon=":material/stop_circle:",
        on_click=job.stop,
        disabled=job.stopped,
    )


def in_words(done: int, total: int, per_s: float) -> str:
    """The items done, the speed, and the time left; a `per_s` of 0 is not known yet."""
    parts = [f"{done:,} of {total:,}"]
    if per_s:
        parts += [f"{per_s:,.0f} a second", f"about {_duration((total - done) / per_s)} left"]
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{seconds / 60:.0f} min"
