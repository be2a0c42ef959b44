"""An opened job: its state, its figures and age, its files, its drift, its rows to rate."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape

import streamlit as st

from errors import TryoutError
from feedback import FeedbackLog, any_batch
from feedback.any_batch import Figures
from feedback.jobs import jobs, totals
from feedback.jobs.drift import Distribution, drift
from feedback.jobs.records import Job
from feedback.jobs.results import rejects_csv, results_csv
from feedback.jobs.reviewed import labels_up_for_review, up_for_review
from ui import shared
from ui.batch import ages, live, lookup, results
from ui.batch.drift import drift_html
from ui.batch.figures import AGE, STALE, age_of, state_html
from ui.parts import progress, reviewer_name
from ui.parts.age import day_and_time
from ui.parts.bars import percent
from ui.parts.downloads import download
from ui.parts.text import as_html, as_markdown, counted

RENEW = "Run the job with `--stale` to predict those anew, or look one up."
GO_ON = "Run the same command again: it goes on where it was."


def show(job: Job) -> None:
    """The job from top to bottom; the name is above it."""
    log = shared.log()
    figures = any_batch.figures(log, job, live.revision())
    _show_origin(job, figures.state)
    if figures.state == "running":
        _show_progress(job)
    elif figures.state in ("failed", "interrupted"):
        why = f"{as_markdown(job.note)} " if job.note else ""
        st.warning(f"{why}{figures.stored:,} rows are stored. {GO_ON}")
    _show_metrics(figures)
    ages.show(figures, renew=RENEW)
    _show_files(job, figures)
    if not figures.stored:
        st.info("No prediction is stored yet.")
        return
    if lookup.show(job):
        return
    now = totals.distribution(log, job)
    _show_drift(job, now)
    label_counts = sorted(now.labels.items(), key=lambda pair: (-pair[1], pair[0]))
    if any(label for label, _ in label_counts):
        st.subheader("Labels")
        st.html(results.labels_html(label_counts))
    _show_rows(job, figures)


def _show_origin(job: Job, state: str) -> None:
    column = f", column {as_html(job.text_column)}" if job.text_column else ""
    st.html(
        f'<p class="origin">{state_html(state)} Job from <bdi>{as_html(job.source)}</bdi>{column}.'
        f" Last changed {day_and_time(job.updated_at)}.</p>"
    )


@st.fragment(run_every=progress.EVERY_S)
def _show_progress(job: Job) -> None:
    """The rows stored so far, until the run ends."""
    try:
        log = shared.log()
        newest = jobs.find(log, job.name) or job
        figures = any_batch.figures(log, newest, None)
    except TryoutError as error:  # the router does not see it in a fragment
        st.error(as_markdown(str(error)))
        return
    if figures.state != "running":
        st.rerun()
    done = figures.stored + figures.rejects
    of = f" of {newest.rows:,}" if newest.rows else ""
    share = min(1.0, done / newest.rows) if newest.rows else 0.0
    st.progress(share, f"{figures.stored:,}{of} stored · runs in another process")


def _show_metrics(figures: Figures) -> None:
    share = figures.stale_share
    with st.container(horizontal=True, key="counts"):
        st.metric("Predictions", f"{figures.stored:,}")
        st.metric("Rejects", f"{figures.rejects:,}")
        oldest = age_of(figures.oldest, datetime.now(UTC))
        st.metric("Age", oldest, help=f"{AGE}.")
        stale = "–" if share is None else unescape(percent(share))
        st.metric("Stale", stale, help=f"{STALE}.")


def _show_files(job: Job, figures: Figures) -> None:
    with st.container(horizontal=True):
        if figures.stored:
            _download("Download results", job, "predictions", results_csv, rows=figures.stored)
        if figures.rejects:
            label = f"Download {counted(figures.rejects, 'reject')}"
            _download(label, job, "rejects", rejects_csv, rows=figures.rejects)


def _download(
    label: str,
    job: Job,
    content: str,
    make: Callable[[FeedbackLog, Job], Iterator[bytes]],
    *,
    rows: int,
) -> None:
    download(
        label,
        results.file_name(job.name, content),
        lambda log: make(log, job),
        rows=rows,
        route=f"api/batches/{job.batch_id}/{content}.csv",
        type="primary" if content == "predictions" else "secondary",
    )


def _show_drift(job: Job, now: Distribution) -> None:
    log = shared.log()
    before = jobs.previous(log, job)
    if before is None:
        return
    st.subheader("What moved since the batch before?")
    differences = drift(totals.distribution(log, before), now)
    st.html(drift_html(differences, before_name=before.name))


def _show_rows(job: Job, figures: Figures) -> None:
    log = shared.log()
    label_counts = labels_up_for_review(log, job)
    there = sum(number for _, number in label_counts)
    st.subheader("Predictions")
    if there < figures.stored:
        st.caption(
            f"{there:,} of {figures.stored:,} are up for review: some drawn by chance, the least "
            "sure, and those that were rated. Look up any other row above."
        )
    reviewer_name.take_and_ask()
    results.show_rows(
        str(job.batch_id),
        label_counts,
        lambda **chosen: up_for_review(log, job, **chosen),
    )
