"""The log as a CSV file and back: a row a rating, and on request a row a prediction without one.

UTF-8 with BOM and RFC 4180 quoting, so that spreadsheets read it; text cells are made safe for
them, reversibly (see files.escape). docs/csv.md describes the columns.

To add a column that the log has (see feedback.records, feedback.tables and the migrations), add it
to PREDICTION_CELLS or RATING_CELLS, to LATER with its value in files that lack it, and to
docs/csv.md.
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
from feedback.records import Added, Rating, Sampling, compact_json, entry_from
from files.csv_writer import csv_pieces
from files.escape import guarded, unguarded, unstorable
from model.prediction import attribution_from_json, output_from_json, output_to_json

MAX_CELL_CHARS = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Imported:
    """The number of rows that an import read, and the numbers that it added to the log."""

    rows: int
    added: Added


@dataclass(frozen=True, slots=True)
class Cell:
    """A type of cell: `write` takes a value as the database has it, `read` a cell.

    `expects` says in an error what should be in the cell.
    """

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
    # A text that begins with a letter or a digit is no formula, and that is quicker to see.
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
    """JSON without spaces, which older logs have."""
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
    "source": TEXT,  # any text and not only a Source, as in files of later versions
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
    "read": Cell(_write_text, lambda cell: TEXT.read(cell) or None, "text"),
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

# Columns that older versions did not export, each with the cell that an import takes instead: files
# of those versions can still be imported. A column that is added belongs in here.
LATER = {"runtime": "torch", "read": "", "sampling": "", "attribution": ""}


def export_csv(log: FeedbackLog, *, unrated: bool) -> Iterator[bytes]:
    """The log as the bytes of a CSV file, in pieces, oldest prediction first.

    With `unrated` also the predictions without a rating. Raises LogUnavailable.
    """
    yield from csv_pieces(COLUMNS, _written(log, unrated=unrated), bom=True)


def _written(log: FeedbackLog, *, unrated: bool) -> Iterator[Iterable[Iterable[str]]]:
    """The cells in chunks of rows, made column by column from the values as they are stored.

    That is faster than to make an object of each row first.
    """
    cells = [*PREDICTION_CELLS.values(), *RATING_CELLS.values()]
    for rows in log.stored(PREDICTION_CELLS, RATING_CELLS, unrated=unrated):
        columns = [
            ["" if value is None else cell.write(value) for value in column]
            for cell, column in zip(cells, zip(*rows, strict=True), strict=True)
        ]
        yield zip(*columns, strict=True)


def import_csv(log: FeedbackLog, file: BinaryIO) -> Imported:
    """Adds the predictions and ratings of an exported file that the log lacks, all or nothing.

    Raises CsvError if the file is not an export, naming the row and the column.
    """
    rows = list(_parse(file))
    entries, ratings = [entry for entry, _ in rows], [rating for _, rating in rows if rating]
    return Imported(len(rows), log.add(entries, ratings))


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
    if missing:
        wrong = f"lacks the columns {', '.join(missing[:5])}"
    elif len(set(header)) == len(header) and set(header) <= set(COLUMNS):
        wrong = "has its columns in another order"
    else:
        wrong = "has other columns"
    return f"The file {wrong}. Import a file that this page exported, with its header as it was."


def _parse_row(number: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        raise CsvError(f"Row {number} has {len(cells)} cells; it should have {len(header)}.")
    if len(header) < len(COLUMNS):
        by_name = LATER | dict(zip(header, cells, strict=True))
        cells = [by_name[name] for name in COLUMNS]
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
