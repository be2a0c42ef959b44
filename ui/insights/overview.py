"""The figures at the top of the Feedback page: predictions, rated, reviewers, thumbs up."""

import streamlit as st

from feedback import wilson_interval
from feedback.records import Counts

NARROW = 0.02  # an interval up to this width gets a decimal


def show(counts: Counts, *, only_in_jobs: int = 0) -> None:
    """The counts, and the share of thumbs up with its interval.

    `only_in_jobs` is the number of predictions that are not listed below.
    """
    rated = counts.up + counts.down
    low, high = wilson_interval(counts.up, rated)
    with st.container(horizontal=True, key="counts"):
        st.metric("Predictions", f"{counts.predictions:,}")
        st.metric("Rated", f"{counts.rated:,}")
        st.metric("Reviewers", f"{counts.reviewers:,}")
        st.metric("Thumbs up", f"{100 * counts.up / rated:.0f} %" if rated else "–")
    if rated:
        digits = 0 if high - low > NARROW else 1
        st.caption(
            f"{counts.up:,} thumbs up in {rated:,} ratings of {counts.rated:,} predictions: the "
            f"share among texts chosen like these is likely between {100 * low:.{digits}f} and "
            f"{100 * high:.{digits}f} % (95\u00a0% Wilson interval)."
        )
    if only_in_jobs:
        st.caption(
            f"{only_in_jobs:,} predictions of jobs are counted and exported, but not listed here "
            "or up for review: the Batch page looks them up, and a rating lists them."
        )
