"""Tables of texts, made of records: their limits, their header, and the rows that are bad.

Knows no file format: files.formats makes the records.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from files.csv_writer import csv_pieces
from files.delimited import SAMPLE_RECORDS, Record
from files.errors import ReadingError
from files.escape import spreadsheet_cell
from files.names import numbered

TEXT_NAMES = ("text", "input", "sentence", "review", "comment", "content", "message", "body")
_OTHER_NAMES = ("id", "label", "name", "date")
LINES_A_ROW = 50
_EXCERPT_CHARS = 100
_NAME_CHARS = 100  # a longer cell is a text, not the name of a column
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest upload that is read; `max_rows` counts neither a header nor empty rows."""

    max_bytes: int
    max_rows: int
    max_columns: int = 100


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read: its first line, from 1, the reason, and an excerpt."""

    number: int
    reason: str
    content: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as long as `columns`, each with its line (XLSX: row; JSON array: position).

    `kind` is CSV, TSV, JSONL, JSON, XLSX or text; `encoding` is "" for XLSX and pasted texts;
    `delimiter` is "" if there is none; `header` is true if the first row names the columns;
    `sheet` is the name of the sheet, if any. Empty rows are only counted.
    """

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numbers: list[int]
    bad: list[BadRow]
    empty_rows: int
    kind: str
    encoding: str = ""
    delimiter: str = ""
    header: bool = False
    sheet: str = ""


def table_of(
    records: Iterable[Record],
    limits: Limits,
    header: bool | None,
    *,
    kind: str,
    encoding: str = "",
    delimiter: str = "",
    sheet: str = "",
) -> Table:
    """The records as rows of one width: that of the first record, which may be a header.

    With `header` None it is guessed. Raises ReadingError if all rows are empty, or beyond `limits`.
    """
    good: list[Record] = []
    bad: list[BadRow] = []
    count = empty_rows = 0
    for record in records:
        if not record.reason and not "".join(record.cells).strip():
            empty_rows += 1
            continue
        count += 1
        if count > limits.max_rows + 1:
            continue  # only counted
        if record.reason:
            bad.append(bad_row(record.number, record.reason, record.raw))
        else:
            good.append(record)
    # If the first row is bad, nothing is known of a header.
    if not good or kind == "text" or (bad and bad[0].number < good[0].number):
        header = False
    elif header is None:
        header = is_header(good)
    check_rows(count - 1 if header else count, limits)
    check_any_row(count)
    width = len(good[0].cells) if good else 1
    check_columns(width, limits)
    if header:
        names, data, first_row = good[0].cells, good[1:], "the header"
    else:
        names = ["text"] if width == 1 else [""] * width
        data, first_row = good, "the first row"
    rows, numbers, wide = _of_one_width(data, width, first_row)
    return Table(
        column_names(names),
        rows,
        numbers,
        bad=sorted([*bad, *wide], key=lambda row: row.number),
        empty_rows=empty_rows,
        kind=kind,
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        sheet=sheet,
    )


def _of_one_width(
    records: Iterable[Record], width: int, first_row: str
) -> tuple[list[tuple[str, ...]], list[int], list[BadRow]]:
    """The rows with `width` cells, their numbers, and the rows with more than `first_row` has."""
    rows, numbers, bad = [], [], []
    for record in records:
        cells = fitted(record.cells, width)
        if cells is None:
            bad.append(bad_row(record.number, too_wide(record.cells, width, first_row), record.raw))
            continue
        rows.append(tuple(cells))
        numbers.append(record.number)
    return rows, numbers, bad


def fitted(cells: list[str], width: int) -> list[str] | None:
    """`width` cells of a row; None if it has more.

    Excel leaves out empty cells at the end of rows.
    """
    if len(cells) == width:
        return cells
    if any(cell.strip() for cell in cells[width:]):
        return None
    return [*cells[:width], *[""] * (width - len(cells))]


def too_wide(cells: list[str], width: int, first_row: str) -> str:
    """The reason for which a row is bad that has more cells than `first_row`."""
    count = max(n for n, cell in enumerate(cells, start=1) if cell.strip())
    return f"has {count} cells, {first_row} has {width}"


def is_header(records: list[Record]) -> bool:
    """True if the first of the records seems to name the columns.

    It does if a cell is a usual name. Otherwise it does not if a cell is a number, longer than a
    name, or repeated in its column (labels are, names are not); with one row below it, only if a
    number is there below a word. The name of a single column has at most three words and no full
    stop. A row alone is data.
    """
    first, *others = [record.cells for record in records[:SAMPLE_RECORDS]]
    if any(_is_number(cell) or len(cell) > _NAME_CHARS for cell in first):
        return False
    if any(cell.strip().lower() in (*TEXT_NAMES, *_OTHER_NAMES) for cell in first):
        return True
    for place, name in enumerate(first):
        column = [row[place] for row in others if place < len(row) and row != first]
        if name.strip() and name in column:
            return False
    if len(first) > 1:
        return len(others) > 1 or (len(others) == 1 and any(map(_is_number, others[0])))
    return bool(others) and len(first[0].split()) <= 3 and first[0].rstrip()[-1] not in ".!?…"


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def column_names(cells: Iterable[str]) -> tuple[str, ...]:
    """The cells as names of columns: none empty, none twice."""
    named = (" ".join(cell.split()) or f"column {n}" for n, cell in enumerate(cells, start=1))
    return tuple(numbered(named))


def bad_row(number: int, reason: str, raw: str) -> BadRow:
    """A bad row with the start of its text."""
    return BadRow(number, reason, excerpt(raw))


def excerpt(raw: str) -> str:
    """The start of a row's text, which any file or database can hold but for a NUL."""
    content = _SURROGATE.sub("\ufffd", raw[:_EXCERPT_CHARS].rstrip("\r\n"))
    return f"{content}…" if len(raw) > _EXCERPT_CHARS else content


def bad_rows_csv(bad: Iterable[BadRow]) -> bytes:
    """The bad rows as a CSV file for spreadsheets: UTF-8 with BOM."""
    rows = (
        [row.number, spreadsheet_cell(row.reason), spreadsheet_cell(row.content)] for row in bad
    )
    return b"".join(csv_pieces(["row", "reason", "content"], [rows], bom=True))


def check_bytes(size_bytes: int, limits: Limits) -> None:
    """Raises ReadingError if an upload is too large."""
    if size_bytes > limits.max_bytes:
        raise ReadingError(
            f"This has {_megabytes(size_bytes)}; at most {_megabytes(limits.max_bytes)} are read. "
            "Split it into smaller parts."
        )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 1e5 else f"{size_bytes:,} bytes"


def check_lines(text: str, limits: Limits) -> None:
    """Raises ReadingError if `text` has too many lines to make a list of them.

    A row may well have some line breaks in its cells.
    """
    lines, most = text.count("\n") + text.count("\r"), LINES_A_ROW * (limits.max_rows + 1000)
    if lines > most:
        raise ReadingError(
            f"This has {lines:,} lines, and at most {limits.max_rows:,} rows are read. "
            "Split it into smaller parts."
        )


def check_rows(count: int, limits: Limits, *, more: bool = False) -> None:
    """Raises ReadingError for too many rows; `more` says that not all were counted."""
    if count > limits.max_rows:
        has = f"more than {limits.max_rows:,}" if more else f"{count:,}"
        raise ReadingError(
            f"This has {has} rows; at most {limits.max_rows:,} are read. "
            "Split it into smaller parts."
        )


def check_any_row(count: int) -> None:
    """Raises ReadingError if no row has anything in it."""
    if not count:
        raise ReadingError("There are only empty rows. Choose a file with a text in each row.")


def check_columns(count: int, limits: Limits) -> None:
    """Raises ReadingError for too many columns."""
    if count > limits.max_columns:
        raise ReadingError(
            f"This has {count:,} columns; at most {limits.max_columns:,} are read. "
            "Leave out those that are not needed."
        )
