"""Makes entries and ratings for tests."""

from typing import Any

from feedback import Entry, Rating
from model.prediction import Prediction, ScoredLabel, new_id, now

SCORES = (ScoredLabel("positive", 0.7), ScoredLabel("neutral", 0.2), ScoredLabel("negative", 0.1))


def entry(text: str = "a text", **changes: Any) -> Entry:
    values: dict[str, Any] = {
        "id": new_id(),
        "created_at": now(),
        "task": "text-classification",
        "model_id": "model/bundled",
        "model_revision": "abc",
        "params": {},
        "input": text,
        "output": SCORES,
        "truncated": False,
        "queue_ms": 0.25,
        "inference_ms": 7.5,
    }
    return Entry(prediction=Prediction(**(values | changes)), source="page", session_id="s1")


def rating(of: Entry, reviewer: str = "Ada", verdict: str = "up", **changes: Any) -> Rating:
    values: dict[str, Any] = {
        "id": new_id(),
        "prediction_id": of.prediction.id,
        "created_at": now(),
        "reviewer": reviewer,
        "verdict": verdict,
    }
    return Rating(**(values | changes))
