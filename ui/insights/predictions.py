"""The predictions of the log as a table by pages, filtered and narrowed to a chart's selection."""

from dataclasses import replace
from math import ceil

import streamlit as st

from feedback import FeedbackLog
from feedback.filters import Filter
from ui import state, visits
from ui.insights import selection
from ui.insights.log_table import COLUMN_CONFIG, frame
from ui.parts.labels import shown_labels
from ui.parts.text import as_markdown, counted
from ui.state import FeedbackState

PAGE_ROWS = 20
MAX_ROWS = 10_000  # on all pages; filters find the others
VERDICTS = {"": "All", "up": "Up", "down": "Down", "unrated": "Not rated"}


def show(log: FeedbackLog) -> None:
    """Filters, and a page of the rows that they leave."""
    st.subheader("Predictions")
    chosen = _filters(log)
    count = log.count(chosen, limit=MAX_ROWS + 1)
    if not count:
        st.caption("No prediction matches.")
        return
    pages = ceil(min(count, MAX_ROWS) / PAGE_ROWS)
    number = st.session_state.get(FeedbackState.PAGE, 1) if pages > 1 else 1
    rows = log.page(chosen, offset=(min(number, pages) - 1) * PAGE_ROWS, limit=PAGE_ROWS)
    visits.saw(*(entry.prediction for entry, _ in rows))
    st.dataframe(frame(rows), column_config=COLUMN_CONFIG, hide_index=True, height="content")
    if count > MAX_ROWS:
        st.caption(f"More than {MAX_ROWS:,} rows; these are the newest. Filters find the rest.")
    else:
        st.caption(counted(count, "row"))
    if pages > 1:
        st.pagination(pages, key=FeedbackState.PAGE)


def _filters(log: FeedbackLog) -> Filter:
    """The selection, narrowed by widgets for the fields that it does not fix."""
    page = state.feedback_page()
    chosen = page.selected
    if chosen != Filter():
        words = as_markdown(selection.in_words(chosen))
        st.button(words, icon=":material/close:", key="clear-selection", on_click=selection.clear)
    with st.container(horizontal=True):
        if not chosen.verdict:
            verdict = st.segmented_control(
                "Rating",
                list(VERDICTS),
                format_func=VERDICTS.__getitem__,
                default="",
                key=FeedbackState.VERDICT,
                on_change=page.first_page,
            )
            chosen = replace(chosen, verdict=verdict or "")
        if not chosen.label:
            names = shown_labels(["", *log.labels()], empty="All")
            label = st.selectbox(
                "Label",
                list(names),
                format_func=names.__getitem__,
                key=FeedbackState.LABEL,
                on_change=page.first_page,
                width=160,
            )
            chosen = replace(chosen, label=label or "")
        words = st.text_input(
            "Text contains", key=FeedbackState.WORDS, on_change=page.first_page, width=220
        )
    return replace(chosen, text=words)
