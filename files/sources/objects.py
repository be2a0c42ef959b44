"""Rows of JSON objects, one a line or in an array, of which two cells are read."""

from collections.abc import Iterable, Iterator
from typing import Any

from files.delimited import Record
from files.errors import ReadingError
from files.json_rows import TOO_DEEP, as_text, parsed
from files.sources.columns import Wanted, find_place, missing
from files.sources.rows import Cells
from files.tables import column_names

FIRST_ROWS = 1000  # if none of them has a column, no other row will have it
_MOST_NAMES = 1000  # that are remembered for the sentence


def object_cells(records: Iterable[Record], wanted: Wanted) -> Iterator[Cells]:
    """The cells of the objects; a row without one of the columns is a row with a problem.

    Raises ReadingError if none of the first rows has it.
    """
    waiting: list[Cells] = []
    seen: dict[str, None] = {}
    lacking = set(wanted.names)
    for record in records:
        value, problem = parsed(record)
        if not problem and _is_empty(value):
            continue
        if lacking and len(seen) < _MOST_NAMES:
            seen.update(dict.fromkeys(value))
        cells = _cells(record, value, problem, wanted, lacking)
        if lacking:
            waiting.append(cells)
            if len(waiting) < FIRST_ROWS:
                continue
            if seen:
                break
        else:
            waiting.append(cells)
        yield from waiting
        waiting.clear()
    if lacking and seen:
        name = next(name for name in wanted.names if name in lacking)
        raise ReadingError(missing(name, column_names(seen)))
    yield from waiting


def _cells(
    record: Record, value: dict[str, Any], problem: str, wanted: Wanted, lacking: set[str]
) -> Cells:
    """The cells of a row; the columns that it has are no longer `lacking`."""
    number, raw = record.number, record.raw
    if problem:
        return Cells(number, "", "", problem, raw)
    cells = []
    for name in wanted.names:
        cell = value.get(name, _MISSING)
        if cell is _MISSING:
            cell = _alike(name, value)
        if cell is _MISSING:
            problem = problem or f'has no "{name}"'
            cells.append("")
            continue
        lacking.discard(name)
        try:
            cells.append(as_text(cell))
        except RecursionError:
            return Cells(number, "", "", TOO_DEEP, raw)
    text, *key = cells
    return Cells(number, text, key[0] if key else "", problem, raw)


_MISSING = object()


def _alike(name: str, value: dict[str, Any]) -> Any:
    """The cell of the only column whose name differs in case or spaces alone."""
    names = list(value)
    place = find_place(name, column_names(names))
    return _MISSING if place is None else value[names[place]]


def _is_empty(value: dict[str, Any]) -> bool:
    return all(
        cell is None or (isinstance(cell, str) and not cell.strip()) for cell in value.values()
    )
