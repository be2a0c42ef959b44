"""Export of the log as CSV files, and import of an exported file."""

from functools import partial

import streamlit as st

from feedback import FeedbackError, FeedbackLog, export_csv, import_csv
from feedback.csv_file import Imported
from ui import state
from ui.parts.downloads import download
from ui.parts.text import as_markdown


def show_export(predictions: int) -> None:
    """The downloads of ratings and of all predictions.

    Two buttons and no checkbox: a rerun gives a download a new address, and a click that comes in
    between finds the old address gone.
    """
    st.subheader("Export")
    with st.container(horizontal=True):
        download(
            "Export ratings",
            "ratings.csv",
            partial(export_csv, unrated=False),
            rows=predictions,
            type="primary",
        )
        download(
            "Export all predictions",
            "predictions.csv",
            partial(export_csv, unrated=True),
            rows=predictions,
        )
    st.caption("CSV for a spreadsheet: one row a rating; the second file has unrated ones too.")


def show_import(log: FeedbackLog) -> None:
    """A form that adds the rows of an exported file."""
    st.subheader("Import")
    with st.form("import", border=False, clear_on_submit=True):
        file = st.file_uploader(
            "A CSV file exported here or by another copy of this app", type="csv"
        )
        submitted = st.form_submit_button("Import CSV")
    page = state.feedback_page()
    if submitted and not file:
        st.info("Choose a file first.")
    elif submitted and file:
        try:
            page.imported = _in_words(import_csv(log, file))
        except FeedbackError as error:
            st.error(f"Nothing was imported. {as_markdown(str(error))}")
        else:
            st.rerun()
    if page.imported:
        st.success(page.imported)
        page.imported = ""


def _in_words(imported: Imported) -> str:
    added = imported.added
    words = (
        f"{imported.rows:,} rows read: {added.predictions:,} predictions and {added.ratings:,} "
        "ratings are new, the rest were already in the log."
    )
    if added.differing:
        words += (
            f" {added.differing:,} of those differ from the log, which keeps what it has: a "
            "changed mind is a new rating."
        )
    return words
