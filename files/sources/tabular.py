"""Rows of a table of any length, from its records; the header is guessed as that of an upload."""

from collections.abc import Iterable, Iterator
from itertools import chain

from files.delimited import SAMPLE_RECORDS, Record
from files.sources.columns import Wanted
from files.sources.rows import Cells
from files.tables import column_names, fitted, is_header, too_wide

MOST_BUFFERED = 10_000  # records, most of them bad, before a header is guessed by fewer


def table_cells(records: Iterable[Record], wanted: Wanted, *, has_names: bool) -> Iterator[Cells]:
    """The cells of the columns that are wanted; empty rows are left out.

    Without `has_names` there is no header. Raises ReadingError if a column is not there.
    """
    filled = (record for record in records if record.reason or "".join(record.cells).strip())
    first = None
    for record in filled:
        if not record.reason:
            first = record
            break
        has_names = False  # if the first row is bad, nothing is known of a header
        yield Cells(record.number, "", "", record.reason, record.raw)
    if first is None:
        return
    width = len(first.cells)
    buffered = [first]
    # A row with all the names that were asked for is a header, whatever it looks like.
    header = has_names and wanted.are_in([cell for cell in first.cells if cell.strip()])
    if has_names and not header:
        buffered = _sample(first, filled)
        header = is_header([record for record in buffered if not record.reason])
    if header:
        names, first_row = first.cells, "the header"
    else:
        names, first_row = ["text"] if width == 1 else [""] * width, "the first row"
    text_place, key_place = wanted.places(column_names(names))
    for number, cells, raw, reason in chain(buffered[header:], filled):
        if reason:
            yield Cells(number, "", "", reason, raw)
            continue
        if len(cells) != width:
            whole = fitted(cells, width)
            if whole is None:
                yield Cells(number, "", "", too_wide(cells, width, first_row), raw)
                continue
            cells = whole
        key = cells[key_place] if key_place >= 0 else ""
        yield Cells(number, cells[text_place], key, "", raw)


def _sample(first: Record, others: Iterator[Record]) -> list[Record]:
    """The records by which a header is guessed, with the bad ones between them."""
    sample, good = [first], 1
    while good < SAMPLE_RECORDS and len(sample) < MOST_BUFFERED:
        record = next(others, None)
        if record is None:
            break
        sample.append(record)
        good += not record.reason
    return sample
