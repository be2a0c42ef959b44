"""The results of a batch as a CSV file: the uploaded columns with the predictions beside them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from feedback.batches import Batch
from feedback.log import FeedbackLog
from feedback.records import compact_json, entry_from
from feedback.tables import ROWS_AT_ONCE, batch_rows, predictions
from files.csv_writer import csv_pieces
from files.escape import spreadsheet_cell
from files.names import numbered

PREDICTED_COLUMNS = (
    "row",
    "predicted_label",
    "predicted_score",
    "margin",
    "output",
    "truncated",
    "prediction_id",
    "read",
)


def results_csv(log: FeedbackLog, batch: Batch) -> Iterator[bytes]:
    """The rows of a batch with their predictions, in the order of the file.

    The columns of the file come first. Cells are made safe for spreadsheets, as in all exports
    (see files.escape). Lines that could not be read as rows are left out.
    """
    header = [*map(spreadsheet_cell, batch.columns), *added_columns(batch.columns)]
    yield from csv_pieces(header, _chunks(log, batch), bom=True)


def added_columns(columns: Sequence[str]) -> list[str]:
    """The names of the columns that a batch adds to a file, none of which the file has."""
    return numbered((*columns, *PREDICTED_COLUMNS, "problem"))[len(columns) :]


def _chunks(log: FeedbackLog, batch: Batch) -> Iterator[Iterable[Iterable[Any]]]:
    query = (
        sa.select(batch_rows.c.number, batch_rows.c.cells, batch_rows.c.problem, predictions)
        .select_from(batch_rows.join(predictions, isouter=True))
        .where(batch_rows.c.batch_id == batch.id)
        .order_by(batch_rows.c.number)
    )
    with log.database.connect() as connection:
        result = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
        for rows in result.mappings().partitions(ROWS_AT_ONCE):
            yield (_cells(dict(row)) for row in rows if row["cells"].startswith("["))


def _cells(row: Mapping[str, Any]) -> Iterable[Any]:
    predicted: tuple[Any, ...] = (row["number"], *[""] * (len(PREDICTED_COLUMNS) - 1))
    if row["id"] is not None:
        prediction = entry_from(row).prediction
        predicted = (
            row["number"],
            spreadsheet_cell(prediction.label),
            prediction.score,
            prediction.margin,
            compact_json(row["output"]),
            "true" if prediction.truncated else "false",
            prediction.id,
            spreadsheet_cell(prediction.read or ""),
        )
    uploaded = map(spreadsheet_cell, json.loads(row["cells"]))
    return (*uploaded, *predicted, spreadsheet_cell(row["problem"]))
