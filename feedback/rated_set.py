"""The rated set: predictions with the ratings that count, as values and as files for training.

Read in chunks, newest first, so that a log of any length fits in memory.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa

from feedback.log import FeedbackLog
from feedback.outcomes import Reference, answer_to_json, reference
from feedback.records import Rating, compact_json, entry_from
from feedback.tables import CURRENT, RATED, ROWS_AT_ONCE, current_ratings, predictions, ratings
from files.csv_writer import csv_pieces
from model.prediction import Prediction

Rated = tuple[Prediction, list[Rating]]
TRAINING_COLUMNS = ("text", "label", "task", "params", "prediction_id")
T = TypeVar("T")


def count_rated(log: FeedbackLog, *, task: str, limit: int | None = None) -> int:
    """The number of rated predictions of a task, at most `limit`."""
    rated = sa.select(sa.literal(1)).where(RATED, predictions.c.task == task)
    query = sa.select(sa.func.count()).select_from(rated.limit(limit).subquery())
    with log.database.connect() as connection:
        return int(connection.execute(query).scalar_one())


def rated(
    log: FeedbackLog, *, task: str | None = None, limit: int | None = None
) -> Iterator[Rated]:
    """Rated predictions, of a task or of all, newest first, and at most `limit` of them.

    A connection for each chunk, as a reader may take hours. Raises LogUnavailable.
    """
    left, before = limit, None
    while left is None or left > 0:
        chunk, before = _chunk(log, task, before)
        yield from chunk[:left]
        if before is None:
            return
        left = None if left is None else left - len(chunk)


def _chunk(
    log: FeedbackLog, task: str | None, before: UUID | None
) -> tuple[list[Rated], UUID | None]:
    """The next rated predictions older than `before`, and the id of the last; None at the end."""
    older = sa.true() if before is None else ratings.c.prediction_id < before
    of_task = sa.exists().where(
        predictions.c.id == ratings.c.prediction_id, predictions.c.task == task
    )
    newest_ids = (
        sa.select(ratings.c.prediction_id)
        .where(CURRENT, older, sa.true() if task is None else of_task)
        .distinct()
        .order_by(ratings.c.prediction_id.desc())
        .limit(ROWS_AT_ONCE)
    )
    with log.database.connect() as connection:
        ids = list(connection.execute(newest_ids).scalars())
        entries = sa.select(predictions).where(predictions.c.id.in_(ids))
        rows = connection.execute(entries.order_by(predictions.c.id.desc())).mappings().all()
        judged = sa.select(current_ratings).where(current_ratings.c.prediction_id.in_(ids))
        by_prediction: dict[UUID, list[Rating]] = {}
        for row in connection.execute(judged.order_by(current_ratings.c.id)):
            by_prediction.setdefault(row.prediction_id, []).append(Rating(**row._mapping))
    chunk = [(entry_from(dict(row)).prediction, by_prediction.get(row["id"], [])) for row in rows]
    return chunk, ids[-1] if len(ids) == ROWS_AT_ONCE else None


# --- as files -------------------------------------------------------------------------------------


def training_csv(log: FeedbackLog) -> Iterator[bytes]:
    """The texts with a known right answer, as a CSV file without a BOM.

    Texts are as typed, but for those whose spans are of the text that the model read. They are not
    guarded against spreadsheets, so that training sees the same text.
    """
    yield from csv_pieces(TRAINING_COLUMNS, _chunked(_training_rows(log)), bom=False)


def _training_rows(log: FeedbackLog) -> Iterator[tuple[str, ...]]:
    for prediction, judged in rated(log):
        known = reference(prediction, judged)
        if known and known.truth is not None:
            yield _training_row(known)


def _text_of(prediction: Prediction) -> str:
    """The text that the answer is of: the input, but for spans of a text that was read instead."""
    return prediction.spanned if prediction.answer_kind == "spans" else prediction.input


def _training_row(known: Reference) -> tuple[str, ...]:
    prediction = known.prediction
    return (
        encodable(_text_of(prediction)),
        encodable(answer_to_json(known.truth, known.kind)),
        prediction.task,
        compact_json(dict(prediction.params)),
        str(prediction.id),
    )


def rated_jsonl(log: FeedbackLog) -> Iterator[bytes]:
    """Each rated prediction as a line of JSON: the answer, the judgement, and the right answer.

    Values are texts, numbers, true, false or null, and of one type in each column, so that readers
    which make columns of them can.
    """
    for lines in _chunked(_rated_lines(log)):
        yield b"".join(lines)


def _rated_lines(log: FeedbackLog) -> Iterator[bytes]:
    for prediction, judged in rated(log):
        known = reference(prediction, judged)
        kind, up = prediction.answer_kind, sum(rating.verdict == "up" for rating in judged)
        truth = None if known is None else known.truth
        yield _json_line(
            {
                "text": _text_of(prediction),
                "label": None if truth is None else answer_to_json(truth, kind),
                "predicted": answer_to_json(prediction.answer, kind),
                "right": None if known is None else known.is_right,
                "up": up,
                "down": len(judged) - up,
                "task": prediction.task,
                "params": compact_json(dict(prediction.params)),
                "model_id": prediction.model_id,
                "model_revision": prediction.model_revision,
                "prediction_id": str(prediction.id),
            }
        )


def _chunked(rows: Iterator[T]) -> Iterator[list[T]]:
    """The rows in chunks: each piece of a file costs its sender."""
    while chunk := list(islice(rows, ROWS_AT_ONCE)):
        yield chunk


def encodable(text: str) -> str:
    """`text` with a stand-in for lone surrogates, which no file in UTF-8 can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _json_line(values: dict[str, str | int | bool | None]) -> bytes:
    safe = {k: encodable(v) if isinstance(v, str) else v for k, v in values.items()}
    return (json.dumps(safe, ensure_ascii=False) + "\n").encode()
