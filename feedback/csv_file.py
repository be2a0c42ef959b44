"""The log as a CSV file and back: one row a rating, or a prediction without one on request.

UTF-8 with BOM and RFC 4180 quoting, so that spreadsheets read it; text cells are made safe for
them, reversibly (see files.escape). docs/csv.md describes the columns.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, BinaryIO, get_args
from uuid import UUID

from feedback.errors import CsvError
from feedback.log import FeedbackLog, Row
from feedback.records import Added, Rating, Sampling, entry_from
from feedback.tables import compact_json
from files.escape import guarded, unguarded, unstorable
from model.prediction import attribution_from_json, output_from_json, output_to_json

MAX_CELL_CHARS = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Imported:
    """How many rows an import read, and what of them was added."""

    rows: int
    added: Added


@dataclass(frozen=True, slots=True)
class Cell:
    """How a kind of value is written to a cell, as the database has it, and read from one."""

    write: Callable[[Any], str]
    read: Callable[[str], Any]
    expects: str


def _read_bool(cell: str) -> bool:
    return {"true": True, "false": False}[cell.lower()]  # spreadsheets write TRUE


def _read_instant(cell: str) -> datetime:
    instant = datetime.fromisoformat(cell)
    if instant.tzinfo is None:
        raise ValueError("no time zone")
    return instant.astimezone(UTC)


def _read_number(cell: str) -> float:
    number = float(cell)
    if not isfinite(number):
        raise ValueError("not finite")
    return number


def _read_verdict(cell: str) -> str:
    return {"up": "up", "down": "down"}[cell]


def _read_sampling(cell: str) -> str:
    if cell not in get_args(Sampling):
        raise ValueError("no way to choose a prediction")
    return cell


def _read_output(cell: str) -> Any:
    return output_to_json(output_from_json(json.loads(cell)))


def _read_attribution(cell: str) -> str:
    if cell:
        attribution_from_json(json.loads(cell))
    return cell


def _read_params(cell: str) -> dict[str, Any]:
    return dict(json.loads(cell))


def _write_text(stored: str) -> str:
    # What begins with a letter or a digit is no formula, and that is quicker to see.
    return stored if stored[:1].isalnum() else guarded(stored)


def _write_id(stored: str) -> str:
    """A UUID, which databases without the type keep as 32 hex digits."""
    if len(stored) == 36:
        return stored
    return f"{stored[:8]}-{stored[8:12]}-{stored[12:16]}-{stored[16:20]}-{stored[20:]}"


def _write_instant(stored: str) -> str:
    """UTC as it is stored; PostgreSQL leaves out zeros at the end of the microseconds."""
    if len(stored) != 26:
        stored = datetime.fromisoformat(stored).isoformat(timespec="microseconds")
    return f"{stored[:10]}T{stored[11:]}+00:00"


def _write_json(stored: str) -> str:
    """JSON without the spaces that older logs have."""
    return compact_json(json.loads(stored)) if ", " in stored or ": " in stored else stored


TEXT = Cell(_write_text, lambda cell: unstorable(unguarded(cell)), "text")
ID = Cell(_write_id, UUID, "an id")
OPTIONAL_ID = Cell(_write_id, lambda c: UUID(c) if c else None, "an id or nothing")
INSTANT = Cell(_write_instant, _read_instant, "a time like 2026-01-31T12:00:00Z")
NUMBER = Cell(repr, _read_number, "a number")
OPTIONAL_NUMBER = Cell(repr, lambda c: _read_number(c) if c else None, "a number or nothing")
BOOL = Cell(lambda stored: "true" if stored else "false", _read_bool, "true or false")

PREDICTION_CELLS = {
    "id": ID,
    "created_at": INSTANT,
    "source": TEXT,
    "batch_id": OPTIONAL_ID,
    "session_id": TEXT,
    "task": TEXT,
    "model_id": TEXT,
    "model_revision": TEXT,
    "runtime": TEXT,
    "params": Cell(_write_json, _read_params, "a JSON object"),
    "input": TEXT,
    "output": Cell(
        _write_json, _read_output, "labels, spans or a text as JSON, scores from 0 to 1"
    ),
    "label": TEXT,
    "score": OPTIONAL_NUMBER,
    "margin": OPTIONAL_NUMBER,
    "truncated": BOOL,
    "queue_ms": NUMBER,
    "inference_ms": NUMBER,
}
RATING_CELLS = {
    "id": ID,
    "created_at": INSTANT,
    "reviewer": TEXT,
    "verdict": Cell(str, _read_verdict, "up or down"),
    "correction": TEXT,
    "comment": TEXT,
    "blind": BOOL,
    "retracted": BOOL,
    "sampling": Cell(str, _read_sampling, f"one of {', '.join(get_args(Sampling)[1:])} or nothing"),
    "attribution": Cell(_write_text, _read_attribution, "an attribution as JSON or nothing"),
}
COLUMNS = (
    *(f"prediction_{n}" if n in ("id", "created_at") else n for n in PREDICTION_CELLS),
    *(f"rating_{n}" if n in ("id", "created_at") else n for n in RATING_CELLS),
)

# What older versions did not export, and what a file without it means.
LATER = {"runtime": "torch", "sampling": "", "attribution": ""}


def export_csv(log: FeedbackLog, *, unrated: bool) -> Iterator[bytes]:
    """The log as the bytes of a CSV file, some rows at a time, oldest prediction first.

    Goes by columns and by what is stored, since a million rows are not to become objects first.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(COLUMNS)
    cells = [*PREDICTION_CELLS.values(), *RATING_CELLS.values()]
    for rows in log.stored(PREDICTION_CELLS, RATING_CELLS, unrated=unrated):
        columns = [
            ["" if value is None else cell.write(value) for value in column]
            for cell, column in zip(cells, zip(*rows, strict=True), strict=True)
        ]
        writer.writerows(zip(*columns, strict=True))
        yield buffer.getvalue().encode()  # the header too, which is worth nothing without a log
        buffer.seek(0)
        buffer.truncate()
    if buffer.tell():
        yield buffer.getvalue().encode()


def import_csv(log: FeedbackLog, file: BinaryIO) -> Imported:
    """Adds what an exported file holds and the log does not; all of it or, on an error, nothing.

    Raises CsvError if the file is not such a file, naming the row and the column.
    """
    rows = list(_parse(file))
    entries, revisions = [entry for entry, _ in rows], [rating for _, rating in rows if rating]
    return Imported(len(rows), log.add(entries, revisions))


def _parse(file: BinaryIO) -> Iterator[Row]:
    csv.field_size_limit(MAX_CELL_CHARS)  # the csv module's own limit is 131,072
    reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
    number = 1
    try:
        header = next(reader, [])
        if header != [name for name in COLUMNS if name in header or name not in LATER]:
            raise CsvError(_wrong_header(header))
        for number, cells in enumerate(reader, start=2):
            if cells:  # an editor may add an empty line at the end
                yield _parse_row(number, header, cells)
    except UnicodeDecodeError as error:
        raise CsvError("The file is not UTF-8. Import a file that this page exported.") from error
    except csv.Error as error:
        raise CsvError(f"After row {number}: this is not CSV ({error}).") from error


def _wrong_header(header: list[str]) -> str:
    if not header:
        return "The file is empty. Import a file that this page exported."
    if len(header) == 1 and header[0].count(";") == len(COLUMNS) - 1:
        return "The file is separated by semicolons. Save it as CSV with commas."
    missing = [name for name in COLUMNS if name not in header and name not in LATER]
    what = f"lacks the columns {', '.join(missing[:5])}" if missing else "has other columns"
    return f"The file {what}. Import a file that this page exported, with its header as it was."


def _parse_row(number: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        raise CsvError(f"Row {number} has {len(cells)} cells; it should have {len(header)}.")
    if len(header) < len(COLUMNS):
        known = LATER | dict(zip(header, cells, strict=True))
        cells = [known[name] for name in COLUMNS]
    split = len(PREDICTION_CELLS)
    read = _read(number, PREDICTION_CELLS, COLUMNS[:split], cells[:split])
    entry = entry_from(read)
    for name in ("label", "score", "margin"):
        derived = getattr(entry.prediction, name)
        if read[name] != derived:
            raise CsvError(
                f"Row {number}: {name} is {read[name]!r}; by its output it is {derived!r}."
            )
    if not any(cells[split:]):
        return entry, None
    values = _read(number, RATING_CELLS, COLUMNS[split:], cells[split:])
    return entry, Rating(prediction_id=entry.prediction.id, **values)


def _read(
    number: int, kinds: dict[str, Cell], columns: Iterable[str], cells: Iterable[str]
) -> dict[str, Any]:
    values = {}
    for (name, kind), column, cell in zip(kinds.items(), columns, cells, strict=True):
        try:
            values[name] = kind.read(cell)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise CsvError(
                f"Row {number}: {column} is {cell[:40]!r}; it should be {kind.expects}."
            ) from error
    return values
