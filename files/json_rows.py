"""Rows from JSON: an object or a string is a row, one a line or all in an array."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from files.decoding import Decoded
from files.delimited import Record, checked, whole_lines
from files.errors import ReadingError
from files.tables import (
    BadRow,
    Limits,
    Table,
    bad_row,
    check_any_row,
    check_columns,
    check_rows,
    column_names,
)

TOO_DEEP = "is nested too deeply"


class _Item(NamedTuple):
    """The cells of a JSON value by column; none for an empty line and for a bad one."""

    number: int
    cells: dict[str, str]
    raw: str
    reason: str = ""


def begins_with_object(lines: list[str]) -> bool:
    """True if the first line with something in it is a JSON object."""
    number = next((n for n, line in enumerate(lines) if line.strip()), 0)
    first = lines[number] if lines else ""
    return first.lstrip().startswith("{") and not parsed(Record(number, [], first))[1]


def lines_table(
    lines: list[str], decoded: Decoded, limits: Limits, *, kind: str = "JSONL"
) -> Table:
    """The table of JSON Lines; raises ReadingError if it is empty or beyond `limits`."""
    items = map(_line_item, checked(whole_lines(lines), decoded))
    return _table(items, limits, kind=kind, encoding=decoded.encoding)


def array_table(decoded: Decoded, limits: Limits) -> Table:
    """The table of a JSON array; raises ReadingError if it is damaged or beyond `limits`."""
    items = map(_line_item, checked(array_records(decoded, limits), decoded))
    return _table(items, limits, kind="JSON", encoding=decoded.encoding)


def array_records(decoded: Decoded, limits: Limits | None = None) -> Iterator[Record]:
    """The values of a JSON array, each as if it stood in a line of its own.

    Raises ReadingError if the array is damaged or beyond `limits`.
    """
    try:
        values = json.loads(decoded.text)
        if limits:
            check_rows(len(values), limits)
        raws = [json.dumps(value, ensure_ascii=False) for value in values]
    except RecursionError as error:
        raise ReadingError("The JSON is nested too deeply. Save one object a line.") from error
    except ValueError as error:
        raise ReadingError(f"The JSON is damaged ({error}). Save it again.") from error
    return whole_lines(raws)


def _line_item(record: Record) -> _Item:
    value, reason = parsed(record)
    try:
        cells = {key: as_text(cell) for key, cell in value.items()}
    except RecursionError:
        cells, reason = {}, TOO_DEEP
    return _Item(record.number, cells, record.raw, reason)


def parsed(record: Record) -> tuple[dict[str, Any], str]:
    """The object of a line, or the reason for having none; {} for an empty line."""
    raw, reason = record.raw, record.reason
    if reason or not raw.strip():
        return {}, reason
    try:
        value = json.loads(raw)
    except RecursionError:
        return {}, TOO_DEEP
    except ValueError as error:
        return {}, f"is not JSON ({_reason(error)})"
    if isinstance(value, dict):
        return value, ""
    if isinstance(value, str):
        return {"text": value}, ""
    return {}, "is neither a JSON object nor a string"


def _reason(error: ValueError) -> str:
    """The reason without its position, which counts in the line and not in the file."""
    return error.msg if isinstance(error, json.JSONDecodeError) else "a number is too long"


def _table(items: Iterable[_Item], limits: Limits, *, kind: str, encoding: str) -> Table:
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
            bad.append(bad_row(number, reason, raw))
        else:
            columns.update(dict.fromkeys(cells))
            check_columns(len(columns), limits)
            rows.append((number, cells))
    check_rows(count, limits)
    check_any_row(count)
    return Table(
        column_names(columns or ["text"]),
        [tuple(cells.get(name, "") for name in columns) for _, cells in rows],
        [number for number, _ in rows],
        bad,
        empty_rows,
        kind,
        encoding,
    )


def as_text(value: Any) -> str:
    """A JSON value as the text of a cell: "" for null."""
    if value is None:
        return ""
    if type(value) is int:  # the most frequent, and json.dumps takes ten times as long
        return str(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
