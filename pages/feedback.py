"""Feedback: how the model does, every prediction with its rating, export and import."""

from dataclasses import replace
from functools import partial
from math import ceil

import streamlit as st

from feedback import FeedbackError, export_csv, import_csv, wilson_interval
from feedback.filters import Filter
from ui import shared, try_page
from ui.insights import answers, selection
from ui.parts.downloads import download
from ui.parts.labels import distinct
from ui.parts.links import page_link
from ui.parts.log_table import COLUMN_CONFIG, frame
from ui.parts.text import as_markdown, counted, printable, shortened

PAGE_ROWS = 20
MAX_ROWS = 10_000  # that can be paged through; filters find the others
VERDICTS = {"": "All", "up": "Up", "down": "Down", "unrated": "Not rated"}


def first_page() -> None:
    st.session_state["page"] = 1


st.title("Feedback")
try_page.store()

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
    rated = counts.up + counts.down
    low, high = wilson_interval(counts.up, rated)
    with st.container(horizontal=True, key="counts"):
        st.metric("Predictions", f"{counts.predictions:,}")
        st.metric("Rated", f"{counts.rated:,}")
        st.metric("Reviewers", f"{counts.reviewers:,}")
        st.metric("Thumbs up", f"{100 * counts.up / rated:.0f} %" if rated else "–")
    if rated:
        digits = 0 if high - low > 0.02 else 1
        st.caption(
            f"{counts.up:,} thumbs up in {rated:,} ratings of {counts.rated:,} predictions: the "
            f"share among texts chosen like these is likely between {100 * low:.{digits}f} and "
            f"{100 * high:.{digits}f} % (95\u00a0% Wilson interval)."
        )
    answers.show(log)

    st.subheader("Predictions")
    shown = selection.chosen()
    if shown != Filter():
        words = as_markdown(selection.in_words(shown))
        st.button(words, icon=":material/close:", key="behind_clear", on_click=selection.clear)
    with st.container(horizontal=True):
        if not shown.verdict:
            verdict = st.segmented_control(
                "Rating",
                list(VERDICTS),
                format_func=VERDICTS.__getitem__,
                default="",
                key="verdict",
                on_change=first_page,
            )
            shown = replace(shown, verdict=verdict or "")
        if not shown.label:
            names = distinct(
                ["", *log.labels()],
                lambda label: shortened(printable(shared.name_of(label)), max_chars=60) or "All",
            )
            label = st.selectbox(
                "Label",
                list(names),
                format_func=names.__getitem__,
                key="label",
                on_change=first_page,
                width=160,
            )
            shown = replace(shown, label=label or "")
        words = st.text_input("Text contains", key="words", on_change=first_page, width=220)
    chosen = replace(shown, text=words)
    found = log.count(chosen, limit=MAX_ROWS + 1)
    pages = ceil(min(found, MAX_ROWS) / PAGE_ROWS)
    if found:
        number = st.session_state.get("page", 1) if pages > 1 else 1
        rows = log.page(chosen, offset=(min(number, pages) - 1) * PAGE_ROWS, limit=PAGE_ROWS)
        try_page.saw(*(entry.prediction for entry, _ in rows))
        st.dataframe(frame(rows), column_config=COLUMN_CONFIG, hide_index=True, height="content")
        if found > MAX_ROWS:
            st.caption(f"More than {MAX_ROWS:,} rows; these are the newest. Filters find the rest.")
        else:
            st.caption(counted(found, "row"))
        if pages > 1:
            st.pagination(pages, key="page")
    else:
        st.caption("No prediction matches.")

    st.subheader("Export")
    # Two buttons and no checkbox: a rerun gives a download a new address, and a click that comes
    # in between finds the old one gone.
    with st.container(horizontal=True):
        for name, unrated in (("ratings", False), ("predictions", True)):
            download(
                "Export ratings" if not unrated else "Export all predictions",
                f"{name}.csv",
                partial(export_csv, unrated=unrated),
                rows=counts.predictions,
                type="secondary" if unrated else "primary",
            )
    st.caption("CSV for a spreadsheet: one row a rating; the second file has unrated ones too.")

st.subheader("Import")
with st.form("import", border=False, clear_on_submit=True):
    file = st.file_uploader("A CSV file exported here or by another copy of this app", type="csv")
    submitted = st.form_submit_button("Import CSV")
if submitted and not file:
    st.info("Choose a file first.")
elif submitted and file:
    try:
        done = import_csv(log, file)
    except FeedbackError as error:
        st.error(f"Nothing was imported. {as_markdown(str(error))}")
    else:
        added = done.added
        st.session_state["imported"] = (
            f"{done.rows:,} rows read: {added.predictions:,} predictions and {added.ratings:,} "
            "ratings are new, the rest was there."
        ) + (
            f" {added.differing:,} of those differ from the log, which keeps what it has: a "
            "changed mind is a new rating."
            if added.differing
            else ""
        )
        st.rerun()
if "imported" in st.session_state:
    st.success(st.session_state.pop("imported"))
