"""Batches in the log: many inputs under one name, row by row as they were uploaded.

Predictions are stored row by row, so that an interrupted batch can go on. Knows neither the file
of the rows nor the model.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from feedback.log import FeedbackLog, insert_new
from feedback.records import Entry, compact_json, entry_from, entry_values
from feedback.tables import ROWS_AT_ONCE, batch_rows, batches, predictions
from feedback.totals import chunks, note_labels

Order = Literal["unsure", "sure", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The request for a batch; `text_column` is the index of the column that is predicted."""

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
    """A row with its line in the file; its cells, or the line itself if it could not be read.

    `problem` is the reason for no prediction, "" if there is none.
    """

    number: int
    cells: tuple[str, ...] | str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """The number of rows of a batch, of those with a prediction, and of those with a problem."""

    rows: int
    predicted: int
    problems: int

    @property
    def left(self) -> int:
        return self.rows - self.predicted - self.problems


def create(log: FeedbackLog, batch: Batch, rows: Sequence[BatchRow]) -> None:
    """Stores a batch with its rows, all or nothing; a repeated call with its id changes nothing."""
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
        for chunk in chunks(rows):
            values_of_rows = [
                {
                    "batch_id": batch.id,
                    "number": row.number,
                    "cells": compact_json(row.cells),
                    "problem": row.problem,
                }
                for row in chunk
            ]
            connection.execute(sa.insert(batch_rows), values_of_rows)


def find(log: FeedbackLog, batch_id: UUID) -> Batch | None:
    """The batch, or None if the log has none."""
    return next(iter(_batches(log, batches.c.id == batch_id, limit=1)), None)


def of_session(log: FeedbackLog, session_id: str, *, limit: int) -> list[Batch]:
    """The newest batches of a visit."""
    return _batches(log, batches.c.session_id == session_id, limit=limit)


def _batches(log: FeedbackLog, where: sa.ColumnElement[bool], *, limit: int) -> list[Batch]:
    query = sa.select(batches).where(where).order_by(batches.c.id.desc()).limit(limit)
    with log.database.connect() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
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
    """The progress of a batch."""
    query = sa.select(
        sa.func.count(batch_rows.c.prediction_id),
        sa.func.count(sa.case((_has_problem, 1))),
    ).where(batch_rows.c.batch_id == batch.id)
    with log.database.connect() as connection:
        predicted, problems = connection.execute(query).one()
    return Progress(batch.rows, predicted, problems)


def waiting(log: FeedbackLog, batch: Batch, *, after: int) -> list[BatchRow]:
    """The next rows after line `after` that have neither a prediction nor a problem."""
    query = (
        _row_columns(batch)
        .where(batch_rows.c.number > after, batch_rows.c.prediction_id.is_(None), ~_has_problem)
        .order_by(batch_rows.c.number)
        .limit(ROWS_AT_ONCE)
    )
    with log.database.connect() as connection:
        return [_batch_row(*row) for row in connection.execute(query)]


def store(log: FeedbackLog, batch: Batch, done: Sequence[tuple[int, Entry | str]]) -> None:
    """Stores the outcomes of rows by their lines: a prediction, or the reason for none.

    A row that has an outcome already keeps it: two processes may work on one batch, and reviewers
    may have rated the prediction that the first of them stored.
    """
    without_outcome = (
        sa.select(batch_rows.c.number)
        .where(batch_rows.c.batch_id == batch.id, batch_rows.c.prediction_id.is_(None))
        .where(~_has_problem)
        .with_for_update()
    )
    change = (
        sa.update(batch_rows)
        .where(batch_rows.c.batch_id == batch.id, batch_rows.c.number == sa.bindparam("row"))
        .values(prediction_id=sa.bindparam("stored"), problem=sa.bindparam("reason"))
    )
    with log.database.connect(write=True) as connection:
        for chunk in chunks(done):
            numbers = [number for number, _ in chunk]
            query = without_outcome.where(batch_rows.c.number.in_(numbers))
            waiting_numbers = set(connection.execute(query).scalars())
            entries, changes = [], []
            for number, outcome in dict(chunk).items():
                if number not in waiting_numbers:
                    continue
                if isinstance(outcome, Entry):
                    entries.append(entry_values(outcome))
                    stored = outcome.prediction.id
                    changes.append({"row": number, "stored": stored, "reason": ""})
                else:
                    changes.append({"row": number, "stored": None, "reason": outcome})
            insert_new(connection, predictions, entries)
            note_labels(connection, {values["label"] for values in entries})
            if changes:
                connection.execute(change, changes)


def problems(log: FeedbackLog, batch: Batch) -> list[BatchRow]:
    """The rows that cannot have a prediction, each with the reason."""
    query = _row_columns(batch).where(_has_problem).order_by(batch_rows.c.number)
    with log.database.connect() as connection:
        return [_batch_row(*row) for row in connection.execute(query)]


def labels_of(log: FeedbackLog, batch: Batch) -> list[tuple[str, int]]:
    """The labels of a batch with their numbers of predictions, the most frequent first."""
    count = sa.func.count()
    query = (
        sa.select(predictions.c.label, count)
        .where(predictions.c.batch_id == batch.id)
        .group_by(predictions.c.label)
        .order_by(count.desc(), predictions.c.label)
    )
    with log.database.connect() as connection:
        return [(label, number) for label, number in connection.execute(query)]


def results(
    log: FeedbackLog, batch: Batch, *, order: Order, label: str | None, offset: int, limit: int
) -> list[tuple[int, Entry]]:
    """Predictions with their lines in the file; of one label, or with None of all.

    Predictions without a margin come last in both orders by margin.
    """
    margin, line = predictions.c.margin, batch_rows.c.number
    by = {
        "unsure": (margin.asc().nulls_last(), line),
        "sure": (margin.desc().nulls_last(), line),
        "file": (line,),
    }[order]
    query = (
        sa.select(line.label("line"), predictions)
        .select_from(batch_rows.join(predictions))
        .where(batch_rows.c.batch_id == batch.id)
        .order_by(*by)
        .offset(offset)
        .limit(limit)
    )
    if label is not None:
        query = query.where(predictions.c.label == label)
    with log.database.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [(row["line"], entry_from(dict(row))) for row in rows]


def of_lines(log: FeedbackLog, batch: Batch, lines: Sequence[int]) -> list[tuple[int, Entry]]:
    """The predictions of rows by their lines in the file; by one query, so not of many."""
    query = (
        sa.select(batch_rows.c.number.label("line"), predictions)
        .select_from(batch_rows.join(predictions))
        .where(batch_rows.c.batch_id == batch.id, batch_rows.c.number.in_(lines))
    )
    with log.database.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [(row["line"], entry_from(dict(row))) for row in rows]


_has_problem = sa.type_coerce(batch_rows.c.problem, sa.Text) != ""


def _row_columns(batch: Batch) -> sa.Select[Any]:
    return sa.select(batch_rows.c.number, batch_rows.c.cells, batch_rows.c.problem).where(
        batch_rows.c.batch_id == batch.id
    )


def _batch_row(number: int, cells: str, problem: str) -> BatchRow:
    loaded = json.loads(cells)
    return BatchRow(number, loaded if isinstance(loaded, str) else tuple(loaded), problem)
