"""Batches in the log: many inputs under one name, row by row as they were uploaded.

A row gets its prediction when that is made, so that a batch that broke off can go on. Knows
neither the file that the rows came from nor what predicts them.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from feedback.log import FeedbackLog, insert_new
from feedback.records import Entry, entry_from, entry_values
from feedback.tables import batch_rows, batches, compact_json, predictions
from feedback.totals import CHUNK, chunks, note_labels
from files.escape import guarded, storable
from files.names import numbered

Order = Literal["unsure", "sure", "file"]
MADE = (
    "row",
    "predicted_label",
    "predicted_score",
    "margin",
    "output",
    "truncated",
    "prediction_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What was asked for: `text_column` is the index of the column that is predicted."""

    id: UUID
    created_at: datetime
    session_id: str
    name: str
    columns: tuple[str, ...]
    text_column: int
    params: Mapping[str, Any]
    rows: int


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row by its line in the file; its cells, or the line itself if it could not be read."""

    number: int
    cells: tuple[str, ...] | str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many rows there are, have a prediction, and cannot have one."""

    rows: int
    predicted: int
    problems: int

    @property
    def left(self) -> int:
        return self.rows - self.predicted - self.problems


def create(log: FeedbackLog, batch: Batch, rows: Sequence[BatchRow]) -> None:
    """Stores a batch with its rows, all or nothing, once however often it is called with its id."""
    values = {
        "id": batch.id,
        "created_at": batch.created_at,
        "session_id": batch.session_id,
        "name": batch.name,
        "columns": compact_json(batch.columns),
        "text_column": batch.text_column,
        "params": compact_json(dict(batch.params)),
        "rows": batch.rows,
    }
    with log.database.connect(write=True) as connection:
        if not insert_new(connection, batches, [values])[0]:
            return
        for start in range(0, len(rows), CHUNK):
            some = [
                {
                    "batch_id": batch.id,
                    "number": row.number,
                    "cells": compact_json(row.cells),
                    "problem": row.problem,
                }
                for row in rows[start : start + CHUNK]
            ]
            connection.execute(sa.insert(batch_rows), some)


def find(log: FeedbackLog, batch_id: UUID) -> Batch | None:
    """The batch, or None if the log has none."""
    found = _batches(log, batches.c.id == batch_id, limit=1)
    return found[0] if found else None


def of_session(log: FeedbackLog, session_id: str, *, limit: int) -> list[Batch]:
    """The newest batches of a visit."""
    return _batches(log, batches.c.session_id == session_id, limit=limit)


def _batches(log: FeedbackLog, where: sa.ColumnElement[bool], *, limit: int) -> list[Batch]:
    question = sa.select(batches).where(where).order_by(batches.c.id.desc()).limit(limit)
    with log.database.connect() as connection:
        rows = [dict(row) for row in connection.execute(question).mappings()]
    return [
        Batch(
            **row
            | {
                "columns": tuple(json.loads(row["columns"])),
                "params": json.loads(row["params"]),
            }
        )
        for row in rows
    ]


def progress(log: FeedbackLog, batch: Batch) -> Progress:
    """How far a batch is."""
    question = sa.select(
        sa.func.count(batch_rows.c.prediction_id),
        sa.func.count(sa.case((_has_problem, 1))),
    ).where(batch_rows.c.batch_id == batch.id)
    with log.database.connect() as connection:
        predicted, problems = connection.execute(question).one()
    return Progress(batch.rows, predicted, problems)


def waiting(log: FeedbackLog, batch: Batch, *, after: int) -> list[BatchRow]:
    """The next rows beyond line `after` that have neither a prediction nor a problem."""
    question = (
        _row_columns(batch)
        .where(batch_rows.c.number > after, batch_rows.c.prediction_id.is_(None), ~_has_problem)
        .order_by(batch_rows.c.number)
        .limit(CHUNK)
    )
    with log.database.connect() as connection:
        return [_batch_row(*row) for row in connection.execute(question)]


def store(log: FeedbackLog, batch: Batch, done: Sequence[tuple[int, Entry | str]]) -> None:
    """Stores what became of rows, a prediction or why there is none, unless that is known already.

    Two processes may be at one batch, and reviewers may have rated what the first one stored.
    """
    asked = (
        sa.select(batch_rows.c.number)
        .where(batch_rows.c.batch_id == batch.id, batch_rows.c.prediction_id.is_(None))
        .where(~_has_problem)
        .with_for_update()
    )
    change = (
        sa.update(batch_rows)
        .where(batch_rows.c.batch_id == batch.id, batch_rows.c.number == sa.bindparam("row"))
        .values(prediction_id=sa.bindparam("made"), problem=sa.bindparam("why"))
    )
    with log.database.connect(write=True) as connection:
        for some in chunks(done):
            numbers = [number for number, _ in some]
            open_ = set(connection.execute(asked.where(batch_rows.c.number.in_(numbers))).scalars())
            made = {
                n: entry_values(one) for n, one in some if isinstance(one, Entry) and n in open_
            }
            changes = [{"row": n, "made": values["id"], "why": ""} for n, values in made.items()]
            changes += [
                {"row": n, "made": None, "why": one}
                for n, one in some
                if isinstance(one, str) and n in open_
            ]
            insert_new(connection, predictions, list(made.values()))
            note_labels(connection, {values["label"] for values in made.values()})
            if changes:
                connection.execute(change, changes)


def problems(log: FeedbackLog, batch: Batch) -> list[BatchRow]:
    """The rows that have no prediction, with why."""
    question = _row_columns(batch).where(_has_problem).order_by(batch_rows.c.number)
    with log.database.connect() as connection:
        return [_batch_row(*row) for row in connection.execute(question)]


def labels_of(log: FeedbackLog, batch: Batch) -> list[tuple[str, int]]:
    """How many predictions of a batch have each label, the most frequent first."""
    count = sa.func.count()
    question = (
        sa.select(predictions.c.label, count)
        .where(predictions.c.batch_id == batch.id)
        .group_by(predictions.c.label)
        .order_by(count.desc(), predictions.c.label)
    )
    with log.database.connect() as connection:
        return [(label, number) for label, number in connection.execute(question)]


def results(
    log: FeedbackLog, batch: Batch, *, order: Order, label: str | None, offset: int, limit: int
) -> list[tuple[int, Entry]]:
    """Predictions with the lines they are for; of one label, or with None of all.

    Those without a margin come last in either order.
    """
    margin, line = predictions.c.margin, batch_rows.c.number
    by = {
        "unsure": (margin.asc().nulls_last(), line),
        "sure": (margin.desc().nulls_last(), line),
        "file": (line,),
    }[order]
    question = (
        sa.select(line.label("line"), predictions)
        .select_from(batch_rows.join(predictions))
        .where(batch_rows.c.batch_id == batch.id)
        .order_by(*by)
        .offset(offset)
        .limit(limit)
    )
    if label is not None:
        question = question.where(predictions.c.label == label)
    with log.database.connect() as connection:
        rows = connection.execute(question).mappings().all()
    return [(row["line"], entry_from(dict(row))) for row in rows]


def results_csv(log: FeedbackLog, batch: Batch) -> Iterator[bytes]:
    """The rows with what was predicted for them, in the order of the file, as a CSV file.

    The columns of the file come first. Cells are made safe for spreadsheets like all that is
    exported (see files.escape).
    """
    buffer = io.StringIO("\ufeff")
    buffer.seek(0, io.SEEK_END)
    writer = csv.writer(buffer)
    writer.writerow([*map(_safe, batch.columns), *made_columns(batch.columns)])
    question = (
        sa.select(batch_rows.c.number, batch_rows.c.cells, batch_rows.c.problem, predictions)
        .select_from(batch_rows.join(predictions, isouter=True))
        .where(batch_rows.c.batch_id == batch.id)
        .order_by(batch_rows.c.number)
    )
    with log.database.connect() as connection:
        found = connection.execution_options(yield_per=CHUNK).execute(question)
        for rows in found.mappings().partitions(CHUNK):
            writer.writerows(_cells(dict(row)) for row in rows if row["cells"].startswith("["))
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()


def made_columns(columns: Sequence[str]) -> list[str]:
    """The names of what a batch adds to a file, none of which the file has."""
    return numbered((*columns, *MADE, "problem"))[len(columns) :]


def _cells(row: Mapping[str, Any]) -> Iterable[Any]:
    made: tuple[Any, ...] = (row["number"], *[""] * (len(MADE) - 1))
    if row["id"] is not None:
        prediction = entry_from(row).prediction
        made = (
            row["number"],
            _safe(prediction.label),
            prediction.score,
            prediction.margin,
            compact_json(row["output"]),
            "true" if prediction.truncated else "false",
            prediction.id,
        )
    return (*map(_safe, json.loads(row["cells"])), *made, _safe(row["problem"]))


def _safe(text: str) -> str:
    return guarded(storable(text))


_has_problem = sa.type_coerce(batch_rows.c.problem, sa.Text) != ""


def _row_columns(batch: Batch) -> sa.Select[Any]:
    return sa.select(batch_rows.c.number, batch_rows.c.cells, batch_rows.c.problem).where(
        batch_rows.c.batch_id == batch.id
    )


def _batch_row(number: int, cells: str, problem: str) -> BatchRow:
    loaded = json.loads(cells)
    return BatchRow(number, loaded if isinstance(loaded, str) else tuple(loaded), problem)
