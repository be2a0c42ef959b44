"""Makes batches, and predictions of their rows, for tests."""

from typing import Any

from feedback import Entry, FeedbackLog, batches
from feedback.batches import Batch, BatchRow
from model.prediction import new_id, now
from tests.helpers.entries import entry, labels


def batch_of(log: FeedbackLog, rows: list[BatchRow], **changes: Any) -> Batch:
    """A batch of these rows, stored."""
    values: dict[str, Any] = {
        "id": new_id(),
        "created_at": now(),
        "session_id": "s1",
        "name": "reviews \ud800.csv",
        "columns": ("id", "=text"),
        "text_column": 1,
        "params": {"top_k": 3},
        "rows": len(rows),
    }
    batch = Batch(**(values | changes))
    batches.create(log, batch, rows)
    return batch


def entry_in(batch: Batch, text: str, score: float) -> Entry:
    """A prediction for a row of the batch, not stored; `score` is that of the label x."""
    scores = sorted((("x", score), ("y", 1 - score)), key=lambda pair: -pair[1])
    prediction = entry(text, output=labels(*scores)).prediction
    return Entry(prediction=prediction, source="batch", session_id="s1", batch_id=batch.id)
