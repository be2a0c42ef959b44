"""Records of cells from a text: CSV and its kin, with their delimiters, and plain lines.

By RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180), and as real files are: a quote in the middle
of a cell is a quote, and a quote that is never closed costs its own line only.
"""

import io
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from files.decoding import Decoded, undecoded_byte

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_RECORDS = 100
SAMPLE_LINES = 2000
MAX_RECORD_LINES = 1000  # a quote that is not closed by then is not meant to be
MAX_WINDOW_CHARS = 64_000_000  # nor is one in so long a text, where lines are streamed


class Record(NamedTuple):
    """The cells that begin in line `number`, or the `reason` for having none; `raw` is the text."""

    number: int
    cells: list[str]
    raw: str = ""
    reason: str = ""


class _NotClosed(Exception):
    """A quote is not closed where a cell can end."""


def lines_of(text: str) -> list[str]:
    """The lines with their ends: CRLF, LF or CR and, unlike str.splitlines, nothing else."""
    return list(io.StringIO(text, newline=""))


def whole_lines(lines: Iterable[str]) -> Iterator[Record]:
    """Each line as a record of one cell."""
    return (Record(n, [line.rstrip("\r\n")], line) for n, line in enumerate(lines, start=1))


def checked(records: Iterable[Record], decoded: Decoded) -> Iterator[Record]:
    """The records of a decoded text; a record with a byte that was not decoded gets a reason."""
    if not decoded.undecoded:
        yield from records
        return
    for record in records:
        byte = "" if record.raw.isascii() else undecoded_byte(record.raw)
        if byte:
            reason = f"the byte {byte} is not {decoded.encoding}, the encoding of the rest"
            record = record._replace(reason=reason)
        yield record


def records(
    lines: list[str],
    delimiter: str,
    *,
    as_copied: bool = False,
    first: int = 1,
    stop: int | None = None,
    before: int = 0,
) -> Generator[Record, None, int]:
    """The records of a table from line `first` on; with the delimiter "" each has one cell.

    `as_copied` is for cells that a spreadsheet put on the clipboard: it quotes only cells that need
    it, so a quote around an ordinary text, or one that is never closed, is part of the text.
    With `stop` no record begins after that many lines, and the generator's value is the number of
    lines that were read. Lines are numbered as if `before` lines came before the list.
    """
    stop = len(lines) if stop is None else stop
    index = first - 1
    while index < stop:
        line = lines[index]
        if '"' not in line:
            body = line.rstrip("\r\n")
            yield Record(before + index + 1, body.split(delimiter) if delimiter else [body], line)
            index += 1
            continue
        try:
            cells, after = _quoted(lines, index, delimiter or "\n", as_copied)
            yield Record(before + index + 1, cells, "".join(lines[index:after]))
            index = after
        except _NotClosed:
            if as_copied:
                body = line.rstrip("\r\n")
                yield Record(
                    before + index + 1, body.split(delimiter) if delimiter else [body], line
                )
            else:
                yield Record(before + index + 1, [], line, "a quote is opened and never closed")
            index += 1
    return index


def streamed_records(
    blocks: Iterable[list[str]],
    delimiter: str,
    *,
    first: int = 1,
    is_cut: Callable[[], bool] = lambda: False,
) -> Iterator[Record]:
    """The records of a table of any length, whose lines come in blocks.

    If `is_cut` then says that the lines end before the table does, a record that has no end in
    them is left out, and so is what comes after it.
    """
    lines: list[str] = []
    before, index = 0, first - 1
    for block in blocks:
        lines += block
        stop = len(lines) - MAX_RECORD_LINES + 1  # a record there has all its lines in the list
        if stop <= index and sum(map(len, lines)) > MAX_WINDOW_CHARS:
            stop = len(lines)
        if stop > index:
            index = yield from records(lines, delimiter, first=index + 1, stop=stop, before=before)
            del lines[:index]
            before, index = before + index, 0
    for record in records(lines, delimiter, first=index + 1, before=before):
        if record.reason and is_cut():
            return
        yield record


def find_delimiter(lines: list[str]) -> str:
    """The delimiter that gives most of the first records as many cells as the very first.

    "" if there is none: then the table has one column.
    """
    scores = {}
    for delimiter in DELIMITERS:
        widths = sample_widths(lines, delimiter)
        alike = widths.count(widths[0]) / len(widths) if widths else 0
        if alike > 0.5 and widths[0] > 1:
            scores[delimiter] = (alike, widths[0])
    return max(scores, key=lambda delimiter: scores[delimiter], default="")


def sample_widths(lines: list[str], delimiter: str, *, as_copied: bool = False) -> list[int]:
    """The number of cells of each of the first records, without empty lines."""
    filled = islice((line for line in lines if not line.isspace()), SAMPLE_LINES)
    sample = records(list(filled), delimiter, as_copied=as_copied)
    widths = (len(record.cells) for record in sample if not record.reason)
    return list(islice(widths, SAMPLE_RECORDS))


def _quoted(lines: list[str], start: int, delimiter: str, as_copied: bool) -> tuple[list[str], int]:
    """The cells of the record that begins in lines[start], and the index of the line after it."""
    cells: list[str] = []
    index, at = start, 0
    while True:
        line = lines[index]
        body_end = len(line.rstrip("\r\n"))
        closed = _close(lines, index, at, start, delimiter) if line.startswith('"', at) else None
        if closed:
            end_index, end = closed
            content = _between(lines, index, at + 1, end_index, end)
            if as_copied and not any(needs in content for needs in '\t\r\n"'):
                content = f'"{content}"'
            cells.append(content.replace('""', '"'))
            index, at = end_index, end + 1
            line = lines[index]
            body_end = len(line.rstrip("\r\n"))
        else:
            end = line.find(delimiter, at, body_end)
            end = body_end if end < 0 else end
            cells.append(line[at:end])
            at = end
        if at >= body_end:
            return cells, index + 1
        at += 1


def _close(
    lines: list[str], index: int, at: int, start: int, delimiter: str
) -> tuple[int, int] | None:
    """The line and the place in it at which the quote at `at` is closed.

    None if more text follows the closing quote in the same line: then the cell is not quoted.
    Raises _NotClosed if that is so in a later line, or if no quote closes it.
    """
    place = at + 1
    for later in range(index, min(len(lines), start + MAX_RECORD_LINES)):
        line = lines[later]
        while (place := line.find('"', place)) >= 0 and line.startswith('"', place + 1):
            place += 2
        if place >= 0:
            if line.startswith((delimiter, "\r", "\n"), place + 1) or place + 1 == len(line):
                return later, place
            if later == index:
                return None
            break
        place = 0
    raise _NotClosed


def _between(lines: list[str], index: int, at: int, end_index: int, end: int) -> str:
    if index == end_index:
        return lines[index][at:end]
    return "".join((lines[index][at:], *lines[index + 1 : end_index], lines[end_index][:end]))
