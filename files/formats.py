"""The formats of files that can be uploaded: one list with their suffixes and readers.

To add a format, write its reader and add it to FORMATS; the upload field and `files.reading` go by
that list.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath

from files import json_rows
from files.decoding import Decoded, decode, not_a_table
from files.delimited import Record, checked, find_delimiter, lines_of, records, whole_lines
from files.errors import ReadingError
from files.tables import Limits, Table, check_columns, check_lines, check_rows, table_of
from files.workbook import is_workbook, read_sheet

SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)  # Excel's own first line
Reader = Callable[[bytes, Limits, bool | None], Table]


def _read_csv(data: bytes, limits: Limits, header: bool | None) -> Table:
    decoded = _decoded(data, limits)
    return _delimited(lines_of(decoded.text), decoded, limits, header)


def _read_tsv(data: bytes, limits: Limits, header: bool | None) -> Table:
    decoded = _decoded(data, limits)
    return _delimited(lines_of(decoded.text), decoded, limits, header, delimiter="\t")


def _delimited(
    lines: list[str],
    decoded: Decoded,
    limits: Limits,
    header: bool | None,
    *,
    delimiter: str | None = None,
) -> Table:
    """The cells between delimiters: by a first line that names it, else `delimiter` or a guess."""
    named = SEPARATOR_LINE.match(decoded.text)
    if named:
        delimiter = named[1]
    elif delimiter is None:
        delimiter = find_delimiter(lines)
    rows = records(lines, delimiter, first=2 if named else 1)
    return table_of(
        checked(rows, decoded),
        limits,
        header,
        kind="TSV" if delimiter == "\t" else "CSV",
        encoding=decoded.encoding,
        delimiter=delimiter,
    )


def _read_lines(data: bytes, limits: Limits, header: bool | None) -> Table:
    """One text a line, unless the lines are JSON objects."""
    decoded = _decoded(data, limits)
    lines = lines_of(decoded.text)
    if json_rows.begins_with_object(lines):
        return json_rows.lines_table(lines, decoded, limits)
    rows = checked(whole_lines(lines), decoded)
    return table_of(rows, limits, header=False, kind="text", encoding=decoded.encoding)


def _read_json_lines(data: bytes, limits: Limits, header: bool | None) -> Table:
    decoded = _decoded(data, limits)
    return json_rows.lines_table(lines_of(decoded.text), decoded, limits)


def _read_json(data: bytes, limits: Limits, header: bool | None) -> Table:
    """An array, or one object a line under the name of a JSON file."""
    decoded = _decoded(data, limits)
    if decoded.text.lstrip().startswith("["):
        return json_rows.array_table(decoded, limits)
    lines = lines_of(decoded.text)
    kind = "JSONL" if json_rows.begins_with_object(lines) else "JSON"  # most likely a broken one
    return json_rows.lines_table(lines, decoded, limits, kind=kind)


def _read_unnamed(data: bytes, limits: Limits, header: bool | None) -> Table:
    """A file whose name says nothing: JSON Lines if it begins with an object, else CSV."""
    decoded = _decoded(data, limits)
    lines = lines_of(decoded.text)
    if json_rows.begins_with_object(lines):
        return json_rows.lines_table(lines, decoded, limits)
    return _delimited(lines, decoded, limits, header)


def _read_workbook(data: bytes, limits: Limits, header: bool | None) -> Table:
    sheet = read_sheet(data, max_rows=limits.max_rows + 2)  # a header, and one row too many
    width = max(map(len, sheet.rows), default=0)
    check_columns(width, limits)
    rows = [
        Record(number, cells + [""] * (width - len(cells)))
        for number, cells in zip(sheet.numbers, sheet.rows, strict=True)
    ]
    if len(rows) == limits.max_rows + 2:
        check_rows(limits.max_rows + 1, limits, more=True)
    table = table_of(rows, limits, header, kind="XLSX", sheet=sheet.name)
    return replace(table, empty_rows=sheet.empty_rows)


def _decoded(data: bytes, limits: Limits) -> Decoded:
    """The text of a file; raises ReadingError if there is none, or too many lines of it."""
    seems = next((seems for begin, seems in NOT_READ.items() if data.startswith(begin)), "")
    if seems:
        raise not_a_table(seems)
    decoded = decode(data)
    if not decoded.text.strip():
        raise ReadingError("The file is empty. Choose one with a text in each row.")
    check_lines(decoded.text, limits)
    return decoded


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: its name for a page, the suffixes of its files' names, and its reader.

    A binary format is recognized by its content, by which `recognizes` it under any name.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Reader
    recognizes: Callable[[bytes], bool] | None = None


# All that can be uploaded: a format that is not in this list cannot.
FORMATS = (
    Format("CSV", (".csv",), _read_csv),
    Format("TSV", (".tsv", ".tab"), _read_tsv),
    Format("one text a line", (".txt",), _read_lines),
    Format("JSON Lines", (".jsonl", ".ndjson"), _read_json_lines),
    Format("JSON", (".json",), _read_json),
    Format("Excel (XLSX)", (".xlsx",), _read_workbook, recognizes=is_workbook),
)
SUFFIXES = tuple(suffix for format in FORMATS for suffix in format.suffixes)

# The first bytes of formats that are refused by name.
NOT_READ = {
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls) or one with a password",
    b"PK\x03\x04": "a zip archive or a damaged workbook",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"PAR1": "a Parquet file",
    b"SQLite format 3\0": "an SQLite database",
    b"{\\rtf": "an RTF document",
}


def reader_of(name: str, data: bytes) -> Reader:
    """The reader of a file: by its content if a binary format recognizes it, else by its name."""
    suffix = PurePath(name).suffix.lower()
    for format in FORMATS:
        if format.recognizes and format.recognizes(data):
            return format.read
    for format in FORMATS:
        if suffix in format.suffixes and not format.recognizes:
            return format.read
    return _read_unnamed
