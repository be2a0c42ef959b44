"""The results of a batch: its progress, its labels, its predictions row by row.

A row is rated where it stands. The least sure rows come first: there a rating teaches most.
"""

from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from math import ceil
from typing import Any

import streamlit as st

from feedback import batch_results, batches
from feedback.batches import Batch, BatchRow, Order, Progress
from feedback.records import Entry
from files.tables import BadRow, bad_rows_csv
from ui import shared
from ui.parts import progress, rating_form
from ui.parts.bars import bar_html, percent
from ui.parts.labels import name_of, names_for, shown_labels
from ui.parts.output import summary
from ui.parts.text import as_html, as_markdown, counted, shortened

PAGE_ROWS = 20
LABELS = 12
MAX_TEXT_CHARS = 400
ORDERS: dict[Order, str] = {
    "unsure": "Least sure first",
    "sure": "Surest first",
    "file": "As in the file",
}


@st.fragment(run_every=progress.EVERY_S)
def show_progress(batch: Batch) -> None:
    """The progress, speed and time left of a batch, and a button that stops it."""
    run = shared.batches().current(batch.id)
    if run is None:
        st.rerun()
    done, text = batch.rows - run.left, "Waiting for other batches to end"
    if run.begun:
        text = progress.in_words(done, batch.rows, 0 if run.stopped else run.per_s)
    progress.show(run, done, batch.rows, text)
    if run.error:
        st.warning(f"Waiting, nothing is lost: {as_markdown(run.error)}")
    elif run.model_is_away:
        st.warning("The model's service is away. The batch goes on when it is back.")


def show_ending(batch: Batch, progress: Progress) -> None:
    """The numbers of rows predicted and not predicted, and the files to download."""
    if progress.left:
        st.warning(
            f"{_why_it_ended(batch)}: {progress.predicted:,} of {progress.rows:,} rows are "
            f"predicted, {progress.left:,} are left."
        )
    elif progress.problems:
        st.info(
            f"{progress.predicted:,} of {progress.rows:,} rows are predicted. "
            f"{progress.problems:,} could not be; the file of them says why."
        )
    else:
        st.caption(f"All {counted(progress.rows, 'row')} are predicted.")
    with st.container(horizontal=True):
        if progress.predicted:
            st.download_button(
                "Download results",
                data=partial(_results, batch),
                file_name=_file_name(batch.name, "predictions"),
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
                type="primary",
                help="CSV with the columns of the file first. A cell that a spreadsheet would run "
                "as a formula has a ' in front.",
            )
        if progress.problems:
            download_problems(
                partial(batches.problems, shared.log(), batch),
                batch.name,
                batch.text_column,
                label=f"Download the {progress.problems:,} not predicted",
            )


def download_problems(
    rows: Callable[[], Iterable[BatchRow]], name: str, text_column: int, *, label: str
) -> None:
    """A button that downloads the rows without a prediction, each with the reason."""
    st.download_button(
        label,
        data=lambda: problems_csv(rows(), text_column),
        file_name=_file_name(name, "not-predicted"),
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def _why_it_ended(batch: Batch) -> str:
    last = shared.batches().last(batch.id)
    if last is None:
        return "Broken off, as the app was restarted"
    return f"{as_markdown(last.error)} Broken off" if last.error else "Stopped"


def _results(batch: Batch) -> bytes:
    return b"".join(batch_results.results_csv(shared.log(), batch))


def problems_csv(rows: Iterable[BatchRow], text_column: int) -> bytes:
    """The rows without a prediction as CSV: number, reason, and text, cut to fit a cell."""
    return bad_rows_csv(
        BadRow(
            row.number,
            row.problem,
            row.cells if isinstance(row.cells, str) else row.cells[text_column][:1000],
        )
        for row in rows
    )


def _file_name(batch_name: str, content: str) -> str:
    stem = "".join(c if c.isalnum() else "-" for c in batch_name.rsplit(".", 1)[0])[:60]
    return f"{stem.strip('-') or 'batch'}-{content}-{date.today()}.csv"


def labels_html(label_counts: list[tuple[str, int]]) -> str:
    """A bar for each label of a batch; `label_counts` has the most frequent labels first."""
    total = sum(count for _, count in label_counts)
    bars = "".join(
        bar_html(
            name_of(label) or "none",
            count / total,
            f"{count:,} · {percent(count / total)}",
            is_chosen=True,
        )
        for label, count in label_counts[:LABELS]
    )
    more = len(label_counts) - LABELS
    note = f'<p class="card-note">and {more:,} more labels</p>' if more > 0 else ""
    return f'<section class="card"><div class="bars">{bars}</div>{note}</section>'


def show_table(batch: Batch, label_counts: list[tuple[str, int]]) -> None:
    """The predictions, a page of rows at a time, each with its thumbs."""
    page_key = f"batch-page-{batch.id}"
    common: dict[str, Any] = {"on_change": _first_page, "args": (page_key,), "width": 165}
    with st.container(horizontal=True):
        order = st.selectbox(
            "Order",
            list(ORDERS),
            format_func=ORDERS.__getitem__,
            help="By margin: how far ahead the label is of the next one.",
            **common,
        )
        names = shown_labels(["", *(label for label, _ in label_counts if label)], empty="All")
        label = st.selectbox("Label", list(names), format_func=names.__getitem__, **common)
    row_count = sum(count for name, count in label_counts if label in ("", name))
    pages = ceil(row_count / PAGE_ROWS)
    page = min(st.session_state.get(page_key, 1), pages) if pages > 1 else 1
    rows = batches.results(
        shared.log(),
        batch,
        order=order,
        label=label or None,
        offset=(page - 1) * PAGE_ROWS,
        limit=PAGE_ROWS,
    )
    for number, entry in rows:
        rating_form.show_row(entry, row_html(number, entry))
    if pages > 1:
        st.pagination(pages, key=page_key)


def _first_page(page_key: str) -> None:
    st.session_state[page_key] = 1


def row_html(number: int, entry: Entry) -> str:
    """A prediction in a row: its number, text and output, with a bar for the score."""
    prediction = entry.prediction
    words, score = summary(prediction, names_for(prediction)), prediction.score
    output = f'<p class="row-output" dir="auto">{as_html(words)}</p>'
    if score is not None:
        output = f'<div class="bars">{bar_html(words, score, percent(score), is_chosen=True)}</div>'
    text, read = as_html(shortened(prediction.input, max_chars=MAX_TEXT_CHARS)), ""
    if prediction.read is not None:
        shown = as_html(shortened(prediction.read, max_chars=MAX_TEXT_CHARS))
        read = f'<p class="row-read"><b>The model read</b>: <bdi>{shown}</bdi></p>'
    return f"""<section class="card row">
  <p class="row-text" dir="auto">
    <a href="/?p={prediction.id}" target="_self">{number:,}</a><bdi>{text}</bdi></p>
  {read}{output}</section>"""
