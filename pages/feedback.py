"""Feedback: figures and insights, the predictions with their ratings, export and import."""

import streamlit as st

from feedback.jobs.reviewed import not_up_for_review
from ui import shared
from ui.insights import answers, export_import, overview, predictions
from ui.navigation import page_link
from ui.parts import storing

st.title("Feedback")
storing.store()

if not shared.settings().log_lasts:
    st.warning(
        "**This feedback will be lost.** It is in a file on a host whose disk does not last. "
        "Export it often, or set `DATABASE_URL` to a PostgreSQL database "
        "(`postgresql://user:password@host/name`) in the app's secrets."
    )

log = shared.log()
counts = log.counts()
if counts.predictions == 0:
    st.info("Nothing here yet. Predict a text and rate it; it shows up here.")
    page_link("try", "Try the model")
else:
    overview.show(counts, only_in_jobs=not_up_for_review(log))
    answers.show(log)
    predictions.show(log)
    export_import.show_export(counts.predictions)
export_import.show_import(log)
