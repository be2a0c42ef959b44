"""From what somebody uploaded or pasted to a table of texts; knows no pages, models or log.

A row that cannot be read is listed with the reason and never fails the rest. Whether a text is too
long for a model is not looked at here.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, NamedTuple

from files.decoding import Decoded, decode, undecoded_byte
from files.delimited import (
    SAMPLE_RECORDS,
    Record,
    find_delimiter,
    lines_of,
    records,
    sample_widths,
)
from files.errors import ReadingError
from files.escape import guarded, storable
from files.names import numbered
from files.workbook import is_workbook, read_sheet

TEXT_NAMES = ("text", "input", "sentence", "review", "comment", "content", "message", "body")
_OTHER_NAMES = ("id", "label", "name", "date")
LINES_A_ROW = 50
_EXCERPT_CHARS = 100
_NAME_CHARS = 100  # a longer cell is a text, not the name of a column
_SURROGATE = re.compile("[\ud800-\udfff]")
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)  # Excel's own first line
_TEXT_SUFFIX = ".txt"
_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
_TAB_SUFFIXES = (".tsv", ".tab")
_TABLE_SUFFIXES = (".csv", *_TAB_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read; `max_rows` are rows of data, without a header and empty rows."""

    max_bytes: int
    max_rows: int
    max_columns: int = 100


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read: the line it begins in, from 1, and the start of what is there."""

    number: int
    reason: str
    content: str


@dataclass(frozen=True, slots=True)
class Table:
    """What was read: rows as long as `columns`, each with its line (XLSX: row; JSON: position).

    `kind` is CSV, TSV, JSONL, JSON, XLSX or text; `encoding` is "" for XLSX and what was pasted;
    `delimiter` is "" where there is none; `header` says whether the first row names the columns;
    `sheet` is the name of the one that was read, if any. Empty rows are only counted.
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


def read_file(name: str, data: bytes, *, limits: Limits, header: bool | None = None) -> Table:
    """The table that a file holds, by its content and its name.

    The first visible sheet of an XLSX file; JSON objects, one a line or in an array; one text a
    line of a .txt file; else CSV with whatever delimiter. `header` says whether the first row of a
    table names the columns, where a guess is not wanted. Raises ReadingError if it is none of these
    or beyond `limits`.
    """
    _check_size(len(data), limits)
    if data.startswith(b"PK") and is_workbook(data):
        return _read_workbook(data, limits, header)
    decoded = decode(data)
    if not decoded.text.strip():
        raise ReadingError("The file is empty. Choose one with a text in each row.")
    _check_lines(decoded.text, limits)
    suffix = PurePath(name).suffix.lower()
    if suffix == ".json" and decoded.text.lstrip().startswith("["):
        return _objects(
            _array_items(decoded, limits), limits, kind="JSON", encoding=decoded.encoding
        )
    lines = lines_of(decoded.text)
    if suffix in _JSON_SUFFIXES or (suffix not in _TABLE_SUFFIXES and _has_objects(lines)):
        items = map(_line_item, _decoded_only(_lines(lines), decoded))
        return _objects(items, limits, kind="JSONL", encoding=decoded.encoding)
    if suffix == _TEXT_SUFFIX:
        found = _decoded_only(_lines(lines), decoded)
        return _table(found, limits, header=False, kind="text", encoding=decoded.encoding)
    return _read_delimited(lines, decoded, limits, header, by_tabs=suffix in _TAB_SUFFIXES)


def read_pasted(text: str, *, limits: Limits, header: bool | None = None) -> Table:
    """The cells copied from a spreadsheet, if there are two columns or more; else a text a line.

    A cell with line breaks, which spreadsheets put in quotes, is one text in either. Raises
    ReadingError if there is nothing or too much.
    """
    _check_size(len(text.encode("utf-8", "surrogatepass")), limits)
    if not text.strip():
        raise ReadingError("There is nothing to read. Paste one text a line.")
    _check_lines(text, limits)
    lines = lines_of(text)
    widths = sample_widths(lines, "\t", as_copied=True)
    delimiter = "\t" if widths and widths[0] > 1 and len(set(widths)) == 1 else ""
    found = records(lines, delimiter, as_copied=True)
    kind = "TSV" if delimiter else "text"
    return _table(found, limits, header, kind=kind, delimiter=delimiter)


def bad_rows_csv(bad: Iterable[BadRow]) -> bytes:
    """The rows that could not be read as a CSV file for spreadsheets: UTF-8 with BOM."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["row", "reason", "content"])
    writer.writerows(
        [row.number, *(guarded(storable(text)) for text in (row.reason, row.content))]
        for row in bad
    )
    return buffer.getvalue().encode("utf-8-sig")


def _check_size(size_bytes: int, limits: Limits) -> None:
    if size_bytes > limits.max_bytes:
        raise ReadingError(
            f"This has {_megabytes(size_bytes)}; at most {_megabytes(limits.max_bytes)} are read. "
            "Split it into smaller parts."
        )


def _check_lines(text: str, limits: Limits) -> None:
    """Before a list is made of them; a row may well have some line breaks in its cells."""
    lines, most = text.count("\n") + text.count("\r"), LINES_A_ROW * (limits.max_rows + 1000)
    if lines > most:
        raise ReadingError(
            f"This has {lines:,} lines, and at most {limits.max_rows:,} rows are read. "
            "Split it into smaller parts."
        )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 1e5 else f"{size_bytes:,} bytes"


def _check_rows(count: int, limits: Limits, *, more: bool = False) -> None:
    """`more` says that there may be more than were counted."""
    if count > limits.max_rows:
        has = f"more than {limits.max_rows:,}" if more else f"{count:,}"
        raise ReadingError(
            f"This has {has} rows; at most {limits.max_rows:,} are read. "
            "Split it into smaller parts."
        )


def _check_columns(count: int, limits: Limits) -> None:
    if count > limits.max_columns:
        raise ReadingError(
            f"This has {count:,} columns; at most {limits.max_columns:,} are read. "
            "Leave out those that are not needed."
        )


def _read_delimited(
    lines: list[str], decoded: Decoded, limits: Limits, header: bool | None, *, by_tabs: bool
) -> Table:
    named = _SEPARATOR_LINE.match(decoded.text)
    delimiter = named[1] if named else "\t" if by_tabs else find_delimiter(lines)
    found = records(lines, delimiter, first=2 if named else 1)
    return _table(
        _decoded_only(found, decoded),
        limits,
        header,
        kind="TSV" if delimiter == "\t" else "CSV",
        encoding=decoded.encoding,
        delimiter=delimiter,
    )


def _lines(lines: list[str]) -> Iterator[Record]:
    return (Record(n, [line.rstrip("\r\n")], line) for n, line in enumerate(lines, start=1))


def _decoded_only(found: Iterable[Record], decoded: Decoded) -> Iterator[Record]:
    """The records, of which those with a byte that was not decoded are bad ones."""
    if not decoded.undecoded:
        yield from found
        return
    for record in found:
        byte = undecoded_byte(record.raw)
        yield record._replace(reason=_not_decoded(byte, decoded)) if byte else record


def _not_decoded(byte: str, decoded: Decoded) -> str:
    return f"the byte {byte} is not {decoded.encoding}, the encoding of the rest"


def _bad(number: int, reason: str, raw: str) -> BadRow:
    content = _SURROGATE.sub("\ufffd", raw[:_EXCERPT_CHARS].rstrip("\r\n"))
    return BadRow(number, reason, f"{content}…" if len(raw) > _EXCERPT_CHARS else content)


def _table(
    found: Iterable[Record], limits: Limits, header: bool | None, *, kind: str, **facts: Any
) -> Table:
    """The records as rows of one width: that of the first, which may be a header."""
    kept: list[Record] = []
    bad: list[BadRow] = []
    count = empty_rows = 0
    for record in found:
        if not record.reason and not "".join(record.cells).strip():
            empty_rows += 1
            continue
        count += 1
        if count > limits.max_rows + 1:
            continue  # only counted
        if record.reason:
            bad.append(_bad(record.number, record.reason, record.raw))
        else:
            kept.append(record)
    # Where the first row is bad, a header is not known to be there.
    if not kept or kind == "text" or (bad and bad[0].number < kept[0].number):
        header = False
    elif header is None:
        header = _is_header(kept)
    _check_rows(count - header, limits)
    if not count:
        raise ReadingError("There are only empty rows. Choose a file with a text in each row.")
    return _of_one_width(kept, bad, header, limits, empty_rows=empty_rows, kind=kind, **facts)


def _of_one_width(
    kept: list[Record], bad: list[BadRow], header: bool, limits: Limits, **facts: Any
) -> Table:
    width = len(kept[0].cells) if kept else 1
    _check_columns(width, limits)
    rows, numbers = [], []
    for number, cells, raw, _ in kept[header:]:
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if len(cells) > width:
            than = "the header" if header else "the first row"
            bad.append(_bad(number, f"has {len(cells)} cells, {than} has {width}", raw))
            continue
        # Excel leaves out empty cells at the end of rows.
        rows.append((*cells, *[""] * (width - len(cells))))
        numbers.append(number)
    names = kept[0].cells if header else ["text"] if width == 1 else [""] * width
    bad.sort(key=lambda row: row.number)
    return Table(_names(names), rows, numbers, bad, header=header, **facts)


def _is_header(found: list[Record]) -> bool:
    """Whether the first row names the columns.

    It does if a cell of it is a usual name. Otherwise it does not if a cell is a number, longer
    than a name, or found again in its column (labels are, names are not); with one row below it,
    only if a number is there below a word. A single column's name has no more than three words and
    no full stop. One row alone is data.
    """
    first, *others = [record.cells for record in found[:SAMPLE_RECORDS]]
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


def _names(cells: Iterable[str]) -> tuple[str, ...]:
    """The cells as names of columns: none empty, none twice."""
    named = (" ".join(cell.split()) or f"column {n}" for n, cell in enumerate(cells, start=1))
    return tuple(numbered(named))


def _read_workbook(data: bytes, limits: Limits, header: bool | None) -> Table:
    sheet = read_sheet(data, max_rows=limits.max_rows + 2)  # the header, and one too many
    width = max(map(len, sheet.rows), default=0)
    _check_columns(width, limits)
    found = [
        Record(number, cells + [""] * (width - len(cells)))
        for number, cells in zip(sheet.numbers, sheet.rows, strict=True)
    ]
    if len(found) == limits.max_rows + 2:
        _check_rows(limits.max_rows + 1, limits, more=True)
    table = _table(found, limits, header, kind="XLSX", sheet=sheet.name)
    return replace(table, empty_rows=sheet.empty_rows)


class _Item(NamedTuple):
    """What a JSON value is as cells by column; none for an empty line and for a bad one."""

    number: int
    cells: dict[str, str]
    raw: str
    reason: str = ""


def _has_objects(lines: list[str]) -> bool:
    """Whether the first line with something in it is a JSON object."""
    number = next((n for n, line in enumerate(lines) if line.strip()), 0)
    first = lines[number]
    return first.lstrip().startswith("{") and not _line_item(Record(number, [], first)).reason


def _line_item(record: Record) -> _Item:
    number, _, raw, reason = record
    if reason or not raw.strip():
        return _Item(number, {}, raw, reason)
    try:
        return _Item(number, _cells(json.loads(raw)), raw)
    except RecursionError:
        return _Item(number, {}, raw, "is nested too deeply")
    except TypeError as error:
        return _Item(number, {}, raw, str(error))
    except ValueError as error:
        return _Item(number, {}, raw, f"is not JSON ({_reason(error)})")


def _reason(error: ValueError) -> str:
    """Without a position, which is that in the line and would be taken for one in the file."""
    return error.msg if isinstance(error, json.JSONDecodeError) else "a number is too long"


def _array_items(decoded: Decoded, limits: Limits) -> Iterator[_Item]:
    """The values of a JSON array as if each were in a line."""
    try:
        values = json.loads(decoded.text)
        _check_rows(len(values), limits)
        raws = [json.dumps(value, ensure_ascii=False) for value in values]
    except RecursionError as error:
        raise ReadingError("The JSON is nested too deeply. Upload one object a line.") from error
    except ValueError as error:
        raise ReadingError(f"The JSON is damaged ({error}). Save it again.") from error
    found = (Record(number, [], raw) for number, raw in enumerate(raws, start=1))
    return map(_line_item, _decoded_only(found, decoded))


def _objects(items: Iterable[_Item], limits: Limits, **facts: Any) -> Table:
    """Objects as rows, with all their keys as columns; a string is the only cell of its row."""
    rows: list[tuple[int, dict[str, str]]] = []
    bad: list[BadRow] = []
    columns: dict[str, None] = {}
    count = empty_rows = 0
    for number, cells, raw, reason in items:
        if not reason and not "".join(cells.values()).strip():
            empty_rows += 1
            continue
        count += 1
        if count > limits.max_rows:
            continue  # only counted
        if reason:
            bad.append(_bad(number, reason, raw))
        else:
            columns.update(dict.fromkeys(cells))
            _check_columns(len(columns), limits)
            rows.append((number, cells))
    _check_rows(count, limits)
    if not count:
        raise ReadingError("There are only empty rows. Choose a file with a text in each row.")
    return Table(
        _names(columns or ["text"]),
        [tuple(cells.get(name, "") for name in columns) for _, cells in rows],
        [number for number, _ in rows],
        bad,
        empty_rows,
        **facts,
    )


def _cells(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {key: _as_text(cell) for key, cell in value.items()}
    if isinstance(value, str):
        return {"text": value}
    raise TypeError("is neither a JSON object nor a string")


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
