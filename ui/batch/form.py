"""The form of a new batch: a file or pasted texts, read and shown, and the choice of a column.

Nothing is stored before the visitor clicks on Predict. A batch gets its id when its table is read,
so that a double click stores one batch.
"""

import streamlit as st

from feedback import batches
from feedback.batches import Batch, BatchRow
from files.errors import ReadingError
from files.formats import FORMATS, SUFFIXES
from files.reading import read_file, read_pasted
from files.tables import TEXT_NAMES, Limits, Table
from model import InputError, Predictor
from model.prediction import new_id, now
from model.text import check_text
from ui import shared, state, visits
from ui.batch import opened, results
from ui.parts import param_form
from ui.parts.text import as_markdown, counted, printable, shortened
from ui.state import Upload

WAYS = ("Upload a file", "Paste")
HEADER = "batch-header"
PREVIEW_ROWS = 5
PREVIEW_CHARS = 300
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def show(model: Predictor) -> Batch | None:
    """Asks for inputs and shows how they are read; returns the batch once it has started."""
    limits = shared.settings().limits
    st.markdown("Predict many texts at once, then look at the least sure ones first.")
    st.caption(
        f"Up to {limits.max_batch_rows:,} rows and {limits.max_upload_mb} MB, larger files are not "
        f"taken; each text up to {limits.max_chars:,} characters. {formats_in_words()}."
    )
    way = st.segmented_control(
        "Input",
        WAYS,
        default=WAYS[0],
        key="batch-way",
        required=True,
        on_change=state.batch_page().clear_form,
    )
    upload = _uploaded(limits.max_upload_mb) if way == WAYS[0] else _pasted()
    if upload is None:
        return None
    if upload.table is None:
        st.error(f"**{as_markdown(upload.name)}**: {as_markdown(upload.error)}")
        return None
    return _choose(upload, upload.table, model)


def formats_in_words() -> str:
    """The formats that can be uploaded."""
    *names, last = (format.name for format in FORMATS)
    return f"{', '.join(names)} or {last}"


def _uploaded(max_mb: int) -> Upload | None:
    file = st.file_uploader(
        "File",
        type=SUFFIXES,
        max_upload_size=max_mb,
        key=state.batch_page().form_key("file"),
        label_visibility="collapsed",
    )
    return _read(file.file_id, file.name, file.getvalue()) if file else None


def _pasted() -> Upload | None:
    text = st.text_area(
        "Texts",
        key=state.batch_page().form_key("text"),
        height=180,
        placeholder="One text a line, or cells copied from a spreadsheet",
        label_visibility="collapsed",
    )
    st.button("Read")  # does nothing itself: the click leaves the field, which reads it
    return _read(text, "Pasted texts", None) if text.strip() else None


def _read(source: str, name: str, data: bytes | None) -> Upload:
    """The upload that this session has read, or reads it now; pasted texts are their own source."""
    page = state.batch_page()
    former = page.upload
    if former is None or former.source != source:
        former = None
        st.session_state.pop(HEADER, None)
    header: bool | None = st.session_state.get(HEADER)
    if former and header in (None, former.header):
        return former
    limits = shared.settings().limits
    bounds = Limits(max_bytes=limits.max_upload_mb * 1_000_000, max_rows=limits.max_batch_rows)
    table, error = former.table if former else None, ""
    with st.spinner("Reading…"):
        try:
            if data is None:
                table = read_pasted(source, limits=bounds, header=header)
            else:
                table = read_file(name, data, limits=bounds, header=header)
        except ReadingError as failed:
            error = str(failed)
    if header is None and table:
        header = table.header
    page.upload = Upload(new_id(), source, name, table, header, error)
    return page.upload


def _choose(upload: Upload, table: Table, model: Predictor) -> Batch | None:
    st.markdown(f"**{as_markdown(upload.name)}**: {as_markdown(described(table))}")
    if table.kind in ("CSV", "TSV", "XLSX"):
        st.checkbox("The first row names the columns", value=table.header, key=HEADER)
    if upload.error:
        st.error(as_markdown(upload.error))
        return None
    column = 0
    if len(table.columns) > 1:
        column = st.selectbox(
            "Text column",
            range(len(table.columns)),
            index=text_column(table),
            format_func=lambda at: shortened(printable(table.columns[at]), max_chars=60),
            key=f"column-{upload.id}",
        )
    if table.rows:
        _preview(table)
    rows = checked(table, column, max_chars=shared.settings().limits.max_chars)
    problems = [row for row in rows if row.problem]
    texts = len(rows) - len(problems)
    if left_out := left_out_in_words(problems, table.empty_rows):
        st.caption(as_markdown(left_out))
    if not texts:
        st.error("There is no text to predict. Choose another column or another file.")
        if problems:
            results.download_problems(
                lambda: problems, upload.name, column, label="Download the rows with the reasons"
            )
        return None
    param_form.show(model.info.params)
    if not st.button(f"Predict {counted(texts, 'text')}", type="primary"):
        return None
    return _start(upload, table, column, rows, model)


def described(table: Table) -> str:
    """A sentence about a table: its kind, encoding, delimiter and number of rows."""
    parts = [table.kind]
    if table.sheet:
        parts.append(f"sheet {table.sheet}")
    if table.encoding:
        parts.append(table.encoding)
    if table.delimiter:
        parts.append(f"separated by {DELIMITERS[table.delimiter]}")
    return ", ".join([*parts, counted(len(table.rows) + len(table.bad), "row")]) + "."


def text_column(table: Table) -> int:
    """The index of the likely text column: by its name, else the one with the longest cells."""
    names = [name.strip().lower() for name in table.columns]
    for name in TEXT_NAMES:
        if name in names:
            return names.index(name)
    first_rows = table.rows[:100]
    return max(range(len(names)), key=lambda at: sum(len(row[at]) for row in first_rows))


def _preview(table: Table) -> None:
    first_rows = table.rows[:PREVIEW_ROWS]
    st.dataframe(
        {
            printable(name): [
                shortened(printable(row[at]), max_chars=PREVIEW_CHARS) for row in first_rows
            ]
            for at, name in enumerate(table.columns)
        },
        hide_index=True,
        height="content",
    )
    if len(table.rows) > PREVIEW_ROWS:
        st.caption(f"The first {PREVIEW_ROWS} rows, as they were read.")
    if table.encoding and not table.encoding.startswith("UTF"):
        st.caption("The encoding is a guess. If letters look wrong, save the file as UTF-8.")


def checked(table: Table, column: int, *, max_chars: int) -> list[BatchRow]:
    """The rows of a batch in the order of the file; those that cannot be predicted say why."""
    rows = [BatchRow(bad.number, bad.content, bad.reason) for bad in table.bad]
    for number, cells in zip(table.numbers, table.rows, strict=True):
        rows.append(BatchRow(number, cells, _problem(cells[column], max_chars)))
    return sorted(rows, key=lambda row: row.number)


def _problem(text: str, max_chars: int) -> str:
    if not text.strip():
        return "There is no text in this row."
    try:
        check_text(text, max_chars=max_chars)
    except InputError as error:
        return str(error)
    return ""


def left_out_in_words(problems: list[BatchRow], empty_rows: int) -> str:
    """The numbers of rows that are left out, and the first problem; "" if there are none."""
    parts = []
    if empty_rows:
        verb = "is" if empty_rows == 1 else "are"
        parts.append(f"{counted(empty_rows, 'empty row')} {verb} left out.")
    if problems:
        first = problems[0]
        parts.append(
            f"{counted(len(problems), 'row')} cannot be predicted and "
            f"will be listed for download; the first is row {first.number:,}: {first.problem}"
        )
    return " ".join(parts)


def _start(
    upload: Upload, table: Table, column: int, rows: list[BatchRow], model: Predictor
) -> Batch:
    """Stores the batch and starts it; the second of two clicks finds it started."""
    log = shared.log()
    batch = Batch(
        id=upload.id,
        created_at=now(),
        session_id=visits.current().id,
        name=upload.name,
        columns=table.columns,
        text_column=column,
        params=param_form.values(model.info.params),
        rows=len(rows),
    )
    with st.spinner("Storing the rows…"):
        # No call of Streamlit's in between: there another click would end the run half way.
        batches.create(log, batch, rows)
        opened.start(batch, model)
    return batch
