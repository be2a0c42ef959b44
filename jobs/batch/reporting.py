"""The status of a job, and its export to a file.

Knows no source and no model: the revision that the model has now is given.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from feedback import FeedbackLog
from feedback.jobs import (
    Drift,
    Job,
    StoredPrediction,
    distribution,
    drift,
    exported,
    find,
    newest_jobs,
    previous,
    rejects_of,
    state_of,
    summary,
)
from feedback.records import compact_json
from files.csv_writer import csv_pieces
from files.escape import spreadsheet_cell, storable
from jobs.batch.chunks import in_place
from jobs.batch.errors import BatchError
from model.prediction import output_to_json

COLUMNS = ("key", "text", "label", "score", "output", "model_revision", "created_at")
REJECT_COLUMNS = ("row", "key", "reason", "content")
SUFFIXES = (".csv", ".parquet")
LISTED = 5  # names in the error for a name that is unknown
_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("text", pa.string()),
        ("label", pa.string()),
        ("score", pa.float64()),
        ("output", pa.string()),
        ("model_revision", pa.string()),
        ("created_at", pa.timestamp("us", "UTC")),
    ]
)

@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of a job.

    `stale` are the predictions by another revision than the model has now; None if that is not
    known. `oldest` and `newest` are the days of the predictions that count. `drift` compares with
    the job before of the same source; None if there is none.
    """

    job: Job
    state: str
    stored: int
    rejects: int
    stale: int | None
    oldest: date | None
    newest: date | None
    drift: Drift | None

    def as_json(self) -> dict[str, Any]:
        """The status as a value that JSON can hold."""
        return {
            "name": self.job.name,
            "rows": self.job.rows,
            "stored": self.stored,
            "rejects": self.rejects,
            "stale": self.stale,
            "state": self.state,
            "source": self.job.source,
            "created_at": self.job.created_at.isoformat(),
            "updated_at": self.job.updated_at.isoformat(),
            "oldest": self.oldest and self.oldest.isoformat(),
            "newest": self.newest and self.newest.isoformat(),
            "note": self.job.note,
            "drift": self.drift and self.drift.as_json(),
        }


def found(log: FeedbackLog, name: str) -> Job:
    """The job of that name; raises BatchError if there is none."""
    job = find(log, name)
    if job is None:
        known = [each.name for each in newest_jobs(log, limit=LISTED)]
        names = f"The newest are {', '.join(map(repr, known))}." if known else "It has none."
        raise BatchError(f"The log has no job {name!r}. {names}")
    return job


def status(log: FeedbackLog, name: str, *, revision: str | None) -> Status:
    """The status of a job; `revision` is that of the model, None if it is not known.

    Raises BatchError if there is no such job.
    """
    job = found(log, name)
    figures = summary(log, job, revision=revision)
    before = previous(log, job)
    change = drift(distribution(log, before), distribution(log, job)) if before else None
    return Status(
        job=job,
        state=state_of(log, job),
        stored=figures.stored,
        rejects=figures.rejects,
        stale=figures.stale,
        oldest=figures.oldest,
        newest=figures.newest,
        drift=change,
    )


def export(log: FeedbackLog, name: str, file: Path) -> int:
    """Writes the newest prediction of each key into a CSV or Parquet file; returns their number.

    Raises BatchError if there is no such job or the suffix is another, OSError if the file cannot
    be written.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise BatchError(f"--out is {str(file)!r}; its name must end with {' or '.join(SUFFIXES)}.")
    job = found(log, name)
    written = 0

    def groups() -> Iterator[list[tuple[Any, ...]]]:
        nonlocal written
        for group in exported(log, job):
            written += len(group)
            yield [_cells(stored) for stored in group]

    write = _write_csv if file.suffix.lower() == ".csv" else _write_parquet
    in_place(file, lambda part: write(part, groups()))
    return written


def write_rejects(log: FeedbackLog, name: str, file: Path) -> int:
    """Writes the rows without a prediction into a CSV file, each with its reason.

    Returns their number. Raises as `export` does.
    """
    rejects = rejects_of(log, found(log, name))
    rows = (
        (spreadsheet_cell(cell) for cell in (each.place, each.key, each.reason, each.content))
        for each in rejects
    )
    in_place(file, lambda part: part.write_bytes(b"".join(csv_pieces(REJECT_COLUMNS, [rows], bom=True))))
    return len(rejects)


def _cells(stored: StoredPrediction) -> tuple[Any, ...]:
    prediction = stored.entry.prediction
    return (
        stored.key,
        prediction.input,
        prediction.label,
        prediction.score,
        compact_json(output_to_json(prediction.output)),
        prediction.model_revision,
        prediction.created_at,
    )


def _write_csv(file: Path, groups: Iterator[list[tuple[Any, ...]]]) -> None:
    pieces = csv_pieces(COLUMNS, (map(_csv_row, group) for group in groups), bom=True)
    with file.open("wb") as out:
        out.writelines(pieces)


def _csv_row(cells: tuple[Any, ...]) -> tuple[Any, ...]:
    key, text, label, score, output, revision, created_at = cells
    texts = map(spreadsheet_cell, (key, text, label))
    return (*texts, score, output, revision, created_at.isoformat())


def _write_parquet(file: Path, groups: Iterator[list[tuple[Any, ...]]]) -> None:
    with pq.ParquetWriter(file, _SCHEMA) as writer:
        for group in groups:
            columns = list(zip(*group, strict=True))
            for at in range(3):  # key, text and label can be any text, Parquet's is UTF-8
                columns[at] = tuple(map(storable, columns[at]))
            writer.write_table(pa.table(dict(zip(COLUMNS, columns, strict=True)), schema=_SCHEMA))
