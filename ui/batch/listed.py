"""The table of batches: all jobs of the log, and the batches that this visit made on the page."""

from dataclasses import replace
from datetime import UTC, datetime
from math import ceil

import streamlit as st

from feedback import any_batch, batches
from feedback.any_batch import AnyBatch, Figures
from feedback.jobs import jobs
from feedback.records import ModelRevision
from ui import shared, visits
from ui.batch import live
from ui.batch.figures import table_html

JOBS = 10  # a page of the table
OF_VISIT = 5
PAGE = "jobs-page"


def show() -> None:
    """The table, newest first; nothing where there is no batch yet."""
    log = shared.log()
    mine = batches.of_session(log, visits.current().id, limit=OF_VISIT)
    number = jobs.count(log)
    if not (mine or number):
        return
    st.subheader("Batches")
    pages = ceil(number / JOBS)
    page = min(st.session_state.get(PAGE, 1), pages) if pages > 1 else 1
    shown = jobs.newest(log, offset=(page - 1) * JOBS, limit=JOBS)
    model = live.revision()
    both: list[AnyBatch] = [*mine, *shown]
    listed = [_figures(each, model) for each in both]
    if pages == 1:
        listed.sort(key=lambda each: each.created_at, reverse=True)
    st.html(table_html(listed, now=datetime.now(UTC)))
    if pages > 1:
        st.pagination(pages, key=PAGE)
    live.note_if_missing()


def _figures(batch: AnyBatch, model: ModelRevision | None) -> Figures:
    """The figures of a batch; that one of a page runs is known to this process alone."""
    figures = any_batch.figures(shared.log(), batch, model)
    runs = shared.batches().current(figures.id) is not None
    return replace(figures, state="running") if runs else figures
