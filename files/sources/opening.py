"""A source of files: their formats, by content and by name, and their rows one after another."""

import gzip
import re
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import PurePath
from typing import BinaryIO

from files.decoding import Decoded
from files.delimited import (
    SAMPLE_LINES,
    Record,
    checked,
    find_delimiter,
    streamed_records,
    whole_lines,
)
from files.errors import ReadingError
from files.formats import SEPARATOR_LINE
from files.json_rows import array_records, begins_with_object
from files.sources.columns import Wanted
from files.sources.objects import object_cells
from files.sources.places import Place, places_of, unreadable
from files.sources.rows import Cells, Source, SourceRow, numbered_rows
from files.sources.tabular import table_cells
from files.sources.texts import Lines
from files.workbook import MAX_ROWS, is_workbook, read_sheet

BLOCK_BYTES = 256 * 1024
MAX_HEAD_CHARS = 16_000_000  # by which the format and the delimiter are known
MAX_ARRAY_CHARS = 100_000_000  # of a JSON array, which takes ten times as much memory
MAX_WORKBOOK_BYTES = 128 * 1024 * 1024
_GZIP, _PARQUET, _ZIP = b"\x1f\x8b", b"PAR1", b"PK"
_LINES_SUFFIXES = (".jsonl", ".ndjson")
OnRead = Callable[[int], object]


def open_source(paths: Sequence[str], *, text_column: str, key_column: str = "") -> Source:
    """The rows of files, of globs of files, and of standard input ("-").

    CSV, TSV, one text a line (.txt), JSON Lines, a JSON array, XLSX and Parquet; all but the last
    two also packed by gzip. Raises ReadingError if a file cannot be read, or lacks a column.
    """
    source = FileSource(places_of(paths), Wanted(text_column, key_column))
    source.check()
    return source


class FileSource(Source):
    """Rows of files."""

    def __init__(self, places: Sequence[Place], wanted: Wanted) -> None:
        self._places = places
        self._wanted = wanted
        self.text_column, self.key_column = wanted.text, wanted.key
        bases = [
            PurePath(place.path).name if place.copy is None else place.label for place in places
        ]
        self._before_bytes = self._read_bytes = 0  # of the files before the one that is read
        self.name = bases[0] if len(bases) == 1 else f"{len(bases)} files"
        self.kind_name = ", ".join(sorted({re.sub(r"\d+", "#", base) for base in bases}))

    def check(self) -> None:
        """Reads the first row of each file; raises ReadingError if that cannot be done."""
        for place in self._places:
            with closing(_cells(place, self._wanted)) as cells:
                next(cells, None)

    def share_read(self) -> float | None:
        total = sum(place.size_bytes() for place in self._places)
        return min(1.0, self._read_bytes / total) if self._read_bytes and total else None

    def _note_read(self, size_bytes: int) -> None:
        self._read_bytes = self._before_bytes + size_bytes

    def rows(self) -> Iterator[SourceRow]:
        first = self._before_bytes = self._read_bytes = 0
        for place in self._places:
            prefix = f"{place.label}:" if len(self._places) > 1 else ""
            with closing(_cells(place, self._wanted, self._note_read)) as cells:
                row = None
                for row in numbered_rows(
                    cells, first=first, prefix=prefix, has_key=bool(self._wanted.key)
                ):
                    yield row
                if row:
                    first = row.number + 1
            self._before_bytes += place.size_bytes()


def _cells(
    place: Place, wanted: Wanted, on_read: OnRead = lambda size_bytes: None
) -> Generator[Cells, None, None]:
    """The rows of a file; raises ReadingError, with the name of the file, where it ends early."""
    with place.open() as file:
        try:
            yield from _file_cells(file, PurePath(place.path).name.lower(), wanted, on_read)
        except ReadingError as error:
            raise ReadingError(f"{place.label}: {error}") from error
        except OSError as error:
            raise unreadable(place.label, error) from error


def _file_cells(file: BinaryIO, name: str, wanted: Wanted, on_read: OnRead) -> Iterator[Cells]:
    """The rows of a file: by its content if that is binary, else by its name.

    `on_read` is called with the bytes of a text that are read so far.
    """
    begin = file.read(4)
    file.seek(0)
    if begin == _PARQUET or name.endswith(".parquet"):
        from files.sources.columnar import parquet_cells  # loads pyarrow

        yield from parquet_cells(file, wanted)
        return
    if begin.startswith(_ZIP):
        data = file.read(MAX_WORKBOOK_BYTES + 1)
        if len(data) > MAX_WORKBOOK_BYTES:
            raise ReadingError(
                f"An XLSX file may have {MAX_WORKBOOK_BYTES / 1e6:,.0f} MB. Save the sheet as CSV."
            )
        if is_workbook(data):
            yield from table_cells(_sheet_records(data), wanted, has_names=True)
            return
        file.seek(0)
    is_packed = begin.startswith(_GZIP)
    lines = Lines(_noted(_unpacked(file) if is_packed else _blocks(file), file, on_read))
    yield from _text_cells(lines, PurePath(name.removesuffix(".gz")).suffix, wanted)
    if lines.error:
        raise lines.error


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _noted(blocks: Iterator[bytes], file: BinaryIO, on_read: OnRead) -> Iterator[bytes]:
    """The blocks; each time with a call of `on_read`."""
    for block in blocks:
        on_read(file.tell())
        yield block


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """The content of a gzip file in blocks; raises ReadingError after the last that is whole."""
    with gzip.GzipFile(fileobj=file) as packed:
        try:
            while block := packed.read1(BLOCK_BYTES):
                yield block
        except EOFError as error:
            raise ReadingError("The gzip file is cut off. Copy it again.") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise ReadingError(f"The gzip file is damaged ({error}). Copy it again.") from error


def _sheet_records(data: bytes) -> list[Record]:
    """The rows of a workbook, as wide as the widest."""
    sheet = read_sheet(data, max_rows=MAX_ROWS)
    width = max(map(len, sheet.rows), default=0)
    return [
        Record(number, cells + [""] * (width - len(cells)))
        for number, cells in zip(sheet.numbers, sheet.rows, strict=True)
    ]


def _text_cells(lines: Lines, suffix: str, wanted: Wanted) -> Iterator[Cells]:
    """The rows of a text, as files.formats reads an upload of such a name."""
    head, blocks = _head(lines.blocks())
    decoded = Decoded("", lines.encoding, undecoded=True)  # so that every row is looked at
    is_delimited = suffix in (".csv", ".tsv", ".tab")
    begins_with_array = suffix == ".json" and "".join(head).lstrip().startswith("[")
    if begins_with_array:
        whole = Decoded(_whole(blocks), lines.encoding, undecoded=True)
        if not lines.error:
            yield from object_cells(checked(array_records(whole), whole), wanted)
    elif suffix in (*_LINES_SUFFIXES, ".json") or (not is_delimited and begins_with_object(head)):
        yield from object_cells(checked(_line_records(blocks), decoded), wanted)
    elif suffix == ".txt":
        records = checked(_line_records(blocks), decoded)
        yield from table_cells(records, wanted, has_names=False)
    else:
        named = SEPARATOR_LINE.match(head[0]) if head else None
        delimiter = "\t" if suffix in (".tsv", ".tab") else ""
        delimiter = named[1] if named else delimiter or find_delimiter(head)
        records = streamed_records(
            blocks, delimiter, first=2 if named else 1, is_cut=lambda: lines.error is not None
        )
        yield from table_cells(checked(records, decoded), wanted, has_names=True)


def _head(blocks: Iterator[list[str]]) -> tuple[list[str], Iterator[list[str]]]:
    """The first lines, and all blocks."""
    head: list[str] = []
    filled = size_chars = 0
    first: list[list[str]] = []
    for block in blocks:
        first.append(block)
        head += block
        filled += sum(not line.isspace() for line in block)
        size_chars += sum(map(len, block))
        if filled >= SAMPLE_LINES or size_chars > MAX_HEAD_CHARS:
            break
    return head, chain(first, blocks)


def _line_records(blocks: Iterator[list[str]]) -> Iterator[Record]:
    """Each line as a record of one cell."""
    return whole_lines(chain.from_iterable(blocks))


def _whole(blocks: Iterator[list[str]]) -> str:
    """The text of all blocks; raises ReadingError if it is too long to be read at once."""
    texts: list[str] = []
    size_chars = 0
    for block in blocks:
        texts += block
        size_chars += sum(map(len, block))
        if size_chars > MAX_ARRAY_CHARS:
            raise ReadingError(
                f"A JSON array may have {MAX_ARRAY_CHARS / 1e6:,.0f} million characters. "
                "Save it as JSON Lines, which may have any length."
            )
    return "".join(texts)
