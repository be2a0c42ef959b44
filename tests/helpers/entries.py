"""Makes entries and ratings for tests, and reads all of them from a log."""

from typing import Any

import sqlalchemy as sa

from feedback import Entry, FeedbackLog, Rating
from feedback.filters import Filter
from feedback.log import Row
from feedback.records import DRAWS, drawn, entry_from
from feedback.tables import RATING_COLUMNS, predictions, ratings
from model.prediction import Prediction, ScoredLabel, ScoredLabels, new_id, now


def labels(*scores: tuple[str, float], multi_label: bool = False) -> ScoredLabels:
    return ScoredLabels(tuple(ScoredLabel(*one) for one in scores), multi_label)


SCORES = labels(("positive", 0.7), ("neutral", 0.2), ("negative", 0.1))


def entry(text: str = "a text", **changes: Any) -> Entry:
    values: dict[str, Any] = {
        "id": new_id(),
        "created_at": now(),
        "task": "text-classification",
        "model_id": "model/bundled",
        "model_revision": "abc",
        "runtime": "torch",
        "params": {},
        "input": text,
        "output": SCORES,
        "truncated": False,
        "queue_ms": 0.25,
        "inference_ms": 7.5,
    }
    return Entry(prediction=Prediction(**(values | changes)), source="page", session_id="s1")


def entry_drawn(text: str, *, below: bool, share: float = 0.2, **changes: Any) -> Entry:
    """An entry that is in the random share of the review queue, or is not."""
    made = entry(text, **changes)
    while (drawn(made.prediction.id) < share * DRAWS) != below:
        made = entry(text, **changes)
    return made


def rating(of: Entry, reviewer: str = "Ada", verdict: str = "up", **changes: Any) -> Rating:
    values: dict[str, Any] = {
        "id": new_id(),
        "prediction_id": of.prediction.id,
        "created_at": now(),
        "reviewer": reviewer,
        "verdict": verdict,
    }
    return Rating(**(values | changes))


def newest(log: FeedbackLog) -> Row:
    """The newest prediction of the log, and its newest rating if it has any."""
    row, *_ = log.page(Filter(), offset=0, limit=1)
    return row


def history(log: FeedbackLog, *, unrated: bool) -> list[Row]:
    """Each revision of each rating with its entry, and with `unrated` entries without a rating."""
    rows: list[Row] = []
    with log.database.connect() as connection:
        revisions: dict[Any, list[Rating]] = {}
        for row in connection.execute(sa.select(*RATING_COLUMNS).order_by(ratings.c.id)):
            revisions.setdefault(row.prediction_id, []).append(Rating(**row._mapping))
        for values in connection.execute(sa.select(predictions).order_by(predictions.c.id)):
            stored = entry_from(dict(values._mapping))
            of_stored = revisions.get(stored.prediction.id, [None] if unrated else [])
            rows += [(stored, revision) for revision in of_stored]
    return rows
