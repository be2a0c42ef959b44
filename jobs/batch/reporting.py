"""The status of a job, and its export to a file.

Knows no source and no model: the revision that the model has now is given.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from feedback import FeedbackLog
from feedback.any_batch import Figures, figures
from feedback.jobs import (
    Job,
    StoredPrediction,
    distribution,
    exported,
    find,
    newest,
    previous,
)
from feedback.jobs.drift import Drift, drift, drift_to_json, sentences
from feedback.jobs.results import rejects_csv, results_csv
from feedback.records import ModelRevision, compact_json
from files.escape import storable
from jobs.batch.chunks import in_place
from jobs.batch.errors import BatchError
from jobs.batch.groups import grouped
from model.prediction import output_to_json

SUFFIXES = (".csv", ".parquet")
ROW_GROUP_ROWS = 5000  # the facts of all row groups of a file are in memory, here and in readers
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
    """The figures of a job, and the reason why it failed, "" if it did not.

    `drift` compares with the job before of the same source; None if there is none.
    """

    figures: Figures
    note: str
    drift: Drift | None

    def as_json(self) -> dict[str, Any]:
        """The status as a value that JSON can hold."""
        figures = self.figures
        return {
            "name": figures.name,
            "rows": figures.rows,
            "stored": figures.stored,
            "rejects": figures.rejects,
            "stale": figures.stale,
            "state": figures.state,
            "source": figures.source,
            "created_at": figures.created_at.isoformat(),
            "updated_at": figures.updated_at.isoformat(),
            "oldest": figures.oldest and figures.oldest.isoformat(),
            "newest": figures.newest and figures.newest.isoformat(),
            "note": self.note,
            "drift": drift_to_json(self.drift) if self.drift else None,
        }

    def __str__(self) -> str:
        figures = self.figures
        stale = "an unknown number" if figures.stale is None else f"{figures.stale:,}"
        lines = [
            f"{figures.name}: {figures.state}, {figures.rows:,} rows of {figures.source}.",
            f"{figures.stored:,} stored, {figures.rejects:,} rejects, {stale} by another revision "
            "than the model has now.",
        ]
        if figures.oldest and figures.newest:
            made = (
                f"on {figures.oldest}"
                if figures.oldest == figures.newest
                else f"from {figures.oldest} to {figures.newest}"
            )
            lines.append(f"Predicted {made}.")
        if self.drift:
            lines += sentences(self.drift)
        if self.note:
            lines.append(self.note)
        return "\n".join(lines)


def job_named(log: FeedbackLog, name: str) -> Job:
    """The job of that name; raises BatchError if there is none."""
    job = find(log, name)
    if job is None:
        known = [each.name for each in newest(log, limit=LISTED)]
        names = f"The newest are {', '.join(map(repr, known))}." if known else "It has none."
        raise BatchError(f"The log has no job {name!r}. {names}")
    return job


def status(log: FeedbackLog, name: str, *, model: ModelRevision | None) -> Status:
    """The status of a job; `model` is the one that is used now, None if it is not known.

    Raises BatchError if there is no such job.
    """
    job = job_named(log, name)
    before = previous(log, job)
    change = drift(distribution(log, before), distribution(log, job)) if before else None
    return Status(figures=figures(log, job, model), note=job.note, drift=change)


def export(log: FeedbackLog, name: str, file: Path) -> None:
    """Writes the newest prediction of each key into a CSV or Parquet file.

    Raises BatchError if there is no such job or the suffix is another, OSError if the file cannot
    be written.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise BatchError(f"--out is {str(file)!r}; its name must end with {' or '.join(SUFFIXES)}.")
    job = job_named(log, name)

    def write(part: Path) -> None:
        if file.suffix.lower() == ".csv":
            _write(part, results_csv(log, job))
        else:
            _write_parquet(part, exported(log, job))

    in_place(file, write)


def write_rejects(log: FeedbackLog, name: str, file: Path) -> None:
    """Writes the rows without a prediction into a CSV file, each with its reason.

    Raises as `export` does.
    """
    job = job_named(log, name)
    in_place(file, lambda part: _write(part, rejects_csv(log, job)))


def _write(file: Path, pieces: Iterable[bytes]) -> None:
    with file.open("wb") as out:
        out.writelines(pieces)


def _write_parquet(file: Path, groups: Iterable[Sequence[StoredPrediction]]) -> None:
    rows = (_values(stored) for group in groups for stored in group)
    with pq.ParquetWriter(file, _SCHEMA) as writer:
        for piece in grouped(rows, ROW_GROUP_ROWS):
            writer.write_table(pa.Table.from_pylist(piece, schema=_SCHEMA))


def _values(stored: StoredPrediction) -> dict[str, Any]:
    """The columns of the CSV file; key, text and label can be any text, and Parquet's is UTF-8."""
    prediction = stored.entry.prediction
    return {
        "key": storable(stored.key),
        "text": storable(prediction.input),
        "label": storable(prediction.label),
        "score": prediction.score,
        "output": compact_json(output_to_json(prediction.output)),
        "model_revision": prediction.model_revision,
        "created_at": prediction.created_at,
    }
