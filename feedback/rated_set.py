"""The rated set: predictions with the ratings that count, as values and as files for training.

Read some hundreds at a time, newest first, so that a log of any length fits.
"""

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import sqlalchemy as sa

from feedback.log import FeedbackLog, current
from feedback.outcomes import Reference, answer_to_json, reference
from feedback.records import Rating, entry_from
from feedback.tables import compact_json, predictions, ratings
from feedback.totals import counts
from model.prediction import Prediction

AT_ONCE = 500
Rated = tuple[Prediction, list[Rating]]
TRAINING_COLUMNS = ("text", "label", "task", "params", "prediction_id")


def count_rated(log: FeedbackLog, *, task: str, limit: int | None = None) -> int:
    """How many rated predictions of a task there are, or `limit` if there are more."""
    rated = sa.select(sa.literal(1)).where(
        predictions.c.rated > sa.literal_column("0"), predictions.c.task == task
    )
    question = sa.select(sa.func.count()).select_from(rated.limit(limit).subquery())
    with log.database.connect() as connection:
        return int(connection.execute(question).scalar_one())


def rated(
    log: FeedbackLog, *, task: str | None = None, limit: int | None = None
) -> Iterator[Rated]:
    """Rated predictions, of a task or of all, newest first, and at most `limit` of them.

    A connection for each piece, as whoever reads may take hours. Raises LogUnavailable.
    """
    left, before = limit, None
    while left is None or left > 0:
        some, before = _piece(log, task, before)
        yield from some[:left]
        if before is None:
            return
        left = None if left is None else left - len(some)


def _piece(
    log: FeedbackLog, task: str | None, before: UUID | None
) -> tuple[list[Rated], UUID | None]:
    """Some rated predictions older than `before`, and up to where they go, None at the end."""
    older = sa.true() if before is None else ratings.c.prediction_id < before
    of_task = sa.exists().where(
        predictions.c.id == ratings.c.prediction_id, predictions.c.task == task
    )
    ids = (
        sa.select(ratings.c.prediction_id)
        .where(counts, older, sa.true() if task is None else of_task)
        .distinct()
        .order_by(ratings.c.prediction_id.desc())
        .limit(AT_ONCE)
    )
    with log.database.connect() as connection:
        chosen = list(connection.execute(ids).scalars())
        entries = sa.select(predictions).where(predictions.c.id.in_(chosen))
        found = connection.execute(entries.order_by(predictions.c.id.desc())).mappings().all()
        said: dict[UUID, list[Rating]] = {}
        judged = sa.select(current).where(current.c.prediction_id.in_(chosen))
        for row in connection.execute(judged.order_by(current.c.id)):
            said.setdefault(row.prediction_id, []).append(Rating(**row._mapping))
    pairs = [(entry_from(dict(values)).prediction, said.get(values["id"], [])) for values in found]
    return pairs, chosen[-1] if len(chosen) == AT_ONCE else None


# --- as files -------------------------------------------------------------------------------------


def training_csv(log: FeedbackLog) -> Iterator[bytes]:
    """The texts of which one answer is known to be right, as a CSV file without a BOM.

    As typed, not guarded against spreadsheets: what is trained on it must be what was typed.
    """
    yield _csv_line(TRAINING_COLUMNS)
    yield from _gathered(_training_lines(log))


def _training_lines(log: FeedbackLog) -> Iterator[bytes]:
    for prediction, judged in rated(log):
        known = reference(prediction, judged)
        if known and known.truth is not None:
            yield _csv_line(_training_values(known))


def _training_values(known: Reference) -> tuple[str, ...]:
    prediction = known.prediction
    return (
        encodable(prediction.input),
        encodable(answer_to_json(known.truth, known.kind)),
        prediction.task,
        compact_json(dict(prediction.params)),
        str(prediction.id),
    )


def rated_jsonl(log: FeedbackLog) -> Iterator[bytes]:
    """Every rated prediction as one line of JSON: what was said, and what would be right.

    Every value is a text, a number, true, false or null, and always of one kind, so that readers
    which make columns of it can.
    """
    yield from _gathered(_rated_lines(log))


def _rated_lines(log: FeedbackLog) -> Iterator[bytes]:
    for prediction, judged in rated(log):
        known = reference(prediction, judged)
        kind, up = prediction.answer_kind, sum(rating.verdict == "up" for rating in judged)
        truth = None if known is None else known.truth
        yield _json_line(
            {
                "text": prediction.input,
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


def _gathered(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines some hundreds at a time: each piece costs whoever sends it."""
    while some := b"".join(islice(lines, AT_ONCE)):
        yield some


def encodable(text: str) -> str:
    """`text` with a stand-in for lone surrogates, which no file in UTF-8 can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _json_line(values: dict[str, str | int | bool | None]) -> bytes:
    safe = {k: encodable(v) if isinstance(v, str) else v for k, v in values.items()}
    return (json.dumps(safe, ensure_ascii=False) + "\n").encode()


def _csv_line(cells: tuple[str, ...]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()
