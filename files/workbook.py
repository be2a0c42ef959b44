"""Rows of texts from an XLSX file, by openpyxl; the file is measured before openpyxl sees it.

A workbook is a zip of XML. A small file can unpack to a lot of it, of which openpyxl builds trees.
"""

import datetime as dt
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Any
from xml.parsers import expat

from openpyxl import load_workbook

from files.errors import ReadingError

MAX_PARTS = 2_000
MAX_UNPACKED_BYTES = 128 * 1024 * 1024
MAX_ELEMENTS = 4_000_000  # a cell is two
MAX_ROW_ELEMENTS = 200_000  # a row of 16,384 cells has 50,000
MAX_ROWS = 1_048_576  # as in Excel
MAX_CELLS = 30_000_000  # with the empty ones before the last of a row, which openpyxl makes
MAX_CELL_BYTES = 4_000_000  # Excel's own limit is 32,767 characters
_CHUNK_BYTES = 64 * 1024
_ROWS = {(3, "row"), (2, "si")}  # worksheet/sheetData/row, sst/si (a shared string)
_INSTEAD = "Save the sheet as CSV and use that."


@dataclass(frozen=True, slots=True)
class Sheet:
    """The first visible sheet: its rows that are not empty, and their numbers."""

    name: str
    rows: list[list[str]]
    numbers: list[int]
    empty_rows: int


def is_workbook(data: bytes) -> bool:
    """True if `data` is an XLSX file, damaged or not."""
    if not data.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def read_sheet(data: bytes, *, max_rows: int) -> Sheet:
    """The first visible sheet; its rows end with the last cell that is not empty.

    Stops after `max_rows` rows that are not empty. Raises ReadingError if the file is damaged, has
    a password, or would unpack to more than fits.
    """
    try:
        _measure(data)
        workbook = load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False)
        visible = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
        if not visible:
            raise ReadingError(
                "The workbook has no visible sheet with cells. Show one and save it."
            )
        return _read(visible[0], max_rows)
    except ReadingError:
        raise
    except Exception as error:  # openpyxl raises errors of many kinds
        detail = f"{type(error).__name__}: {str(error)[:100]}"
        raise ReadingError(f"The workbook is damaged ({detail}). {_INSTEAD}") from error


def _read(sheet: Any, max_rows: int) -> Sheet:
    sheet.reset_dimensions()  # a sheet can claim more cells than it has
    rows: list[list[str]] = []
    numbers: list[int] = []
    number = 0
    filled = _filled(sheet.iter_rows(max_row=MAX_ROWS, values_only=True))
    try:
        for number, row in islice(filled, max_rows):
            rows.append(row)
            numbers.append(number)
    except (ValueError, TypeError, OverflowError) as error:  # openpyxl cannot go on after it
        raise ReadingError(
            f"The workbook is damaged: a cell below row {number:,} cannot be read "
            f"({str(error)[:100]}). {_INSTEAD}"
        ) from error
    return Sheet(str(sheet.title), rows, numbers, number - len(rows))


def _filled(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, as texts, with their numbers."""
    cells_read = 0
    for number, values in enumerate(rows, start=1):
        cells_read += len(values)
        if cells_read > MAX_CELLS:
            raise ReadingError(
                f"The workbook has more than {MAX_CELLS:,} cells with the empty ones. {_INSTEAD}"
            )
        if values.count(None) == len(values):
            continue
        cells = [_text(value) for value in values]
        while cells and not cells[-1].strip():
            cells.pop()
        if cells:
            yield number, cells


def _text(value: Any) -> str:
    """A cell's value as a spreadsheet shows it, dates as in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("_x000D_", "\r")  # Excel's escape for a character that XML lacks
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, dt.datetime):
        return str(value if value.time() != dt.time.min else value.date())
    return str(value)


def _measure(data: bytes) -> None:
    """Raises ReadingError if a part, or all of them, would take too much memory or time."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        parts = archive.infolist()
        unpacked_bytes = sum(part.file_size for part in parts)
        if unpacked_bytes > MAX_UNPACKED_BYTES:
            raise ReadingError(
                f"The workbook has {len(data) / 1e6:,.1f} MB, but {unpacked_bytes / 1e6:,.0f} MB "
                f"when unpacked; at most {MAX_UNPACKED_BYTES / 1e6:,.0f} MB are. {_INSTEAD}"
            )
        if len(parts) > MAX_PARTS:
            raise ReadingError(
                f"The workbook has {len(parts):,} parts; at most {MAX_PARTS:,} can be read. "
                f"{_INSTEAD}"
            )
        elements = 0
        for part in parts:
            if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ReadingError(f"The workbook is packed in an unusual way. {_INSTEAD}")
            with archive.open(part) as file:  # reads no more than the size that was summed up
                elements = _measure_part(file, elements)


def _measure_part(file: Any, elements: int) -> int:
    """`elements` plus the number in this part; if it is not XML, the number before the error."""
    parser = expat.ParserCreate()
    counter = _Counter(elements)
    parser.StartElementHandler = counter.start
    parser.EndElementHandler = counter.end
    parser.EntityDeclHandler = counter.entity
    since_bytes = 0  # since an element began; a long tag also takes expat long
    try:
        while chunk := file.read(_CHUNK_BYTES):
            before = counter.elements
            parser.Parse(chunk, False)
            since_bytes = since_bytes + len(chunk) if counter.elements == before else 0
            if since_bytes > MAX_CELL_BYTES:
                raise ReadingError(
                    f"A cell of the workbook has more than {MAX_CELL_BYTES / 1e6:,.0f} MB. "
                    f"{_INSTEAD}"
                )
    except expat.ExpatError:
        pass  # a picture, or damaged: openpyxl gets no further either
    return counter.elements


@dataclass(slots=True)
class _Counter:
    """Counts the elements of an XML part, in all and in a row, which openpyxl holds in memory."""

    elements: int
    rows: int = 0
    in_row: int = 0
    depth: int = 0

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self.elements += 1
        self.depth += 1
        self.in_row += 1
        if self.depth <= 3 and (self.depth, tag.rpartition(":")[2]) in _ROWS:
            self.rows += 1
            self.in_row = 0
        if self.in_row > MAX_ROW_ELEMENTS:
            raise ReadingError(
                f"A row of the workbook has more than {MAX_ROW_ELEMENTS:,} elements. {_INSTEAD}"
            )
        if self.elements > MAX_ELEMENTS or self.rows > MAX_ROWS:
            raise ReadingError(
                f"The workbook has more than {MAX_ROWS:,} rows or {MAX_ELEMENTS:,} elements. "
                f"{_INSTEAD}"
            )

    def end(self, _tag: str) -> None:
        self.depth -= 1

    def entity(self, *_declared: object) -> None:
        raise ReadingError(
            f"The workbook declares XML entities, as no spreadsheet does. {_INSTEAD}"
        )
