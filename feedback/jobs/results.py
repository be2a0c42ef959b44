"""A job as files: its predictions, and its rejects, as CSV in pieces of bounded size."""

from collections.abc import Iterable, Iterator
from datetime import UTC
from itertools import islice
from typing import Any

from feedback.jobs.lookup import exported, rejects_of
from feedback.jobs.records import Job, StoredPrediction
from feedback.log import FeedbackLog
from feedback.records import compact_json
from feedback.tables import ROWS_AT_ONCE
from files.csv_writer import csv_pieces
from files.escape import spreadsheet_cell
from model.prediction import output_to_json

COLUMNS = ("key", "text", "label", "score", "output", "model_revision", "created_at")
REJECT_COLUMNS = ("row", "key", "reason", "content")


def results_csv(log: FeedbackLog, job: Job) -> Iterator[bytes]:
    """The newest prediction of each key, in the order of the source.

    Cells are made safe for spreadsheets, as in all exports (see files.escape).
    """
    chunks = ((_cells(stored) for stored in chunk) for chunk in exported(log, job))
    yield from csv_pieces(COLUMNS, chunks, bom=True)


def rejects_csv(log: FeedbackLog, job: Job) -> Iterator[bytes]:
    """The rows that could not be read or predicted, each with the reason."""
    yield from csv_pieces(REJECT_COLUMNS, _rejects(log, job), bom=True)


def _cells(stored: StoredPrediction) -> Iterable[Any]:
    prediction = stored.entry.prediction
    return (
        spreadsheet_cell(stored.key),
        spreadsheet_cell(prediction.input),
        spreadsheet_cell(prediction.label),
        prediction.score,
        compact_json(output_to_json(prediction.output)),
        prediction.model_revision,
        prediction.created_at.astimezone(UTC).isoformat(),
    )


def _rejects(log: FeedbackLog, job: Job) -> Iterator[Iterable[Iterable[Any]]]:
    rejects = rejects_of(log, job)
    while piece := list(islice(rejects, ROWS_AT_ONCE)):
        yield (
            map(spreadsheet_cell, (row.place, row.key, row.reason, row.excerpt)) for row in piece
        )
