"""Jobs with stored predictions, for tests of pages and routes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from feedback import FeedbackLog
from feedback.jobs import Job, JobRow, content_of, find, note, open_job, start, store
from model import Predictor
from tests.helpers.predictor import FakePredictor

REJECT = "There is no text in this row."


def fake(revision: str = "1") -> FakePredictor:
    """A loaded predictor of a revision."""
    predictor = FakePredictor(revision=revision)
    predictor.load()
    return predictor


def stored_job(
    log: FeedbackLog,
    rows: Mapping[str, str],
    *,
    name: str = "reviews",
    predictor: Predictor | None = None,
    source: str = "reviews.csv",
    rejects: Sequence[str] = (),
    made_at: datetime | None = None,
) -> Job:
    """A job that is done: a prediction of each key's text, and rejects by their keys."""
    job = open_job(
        log,
        name=name,
        source=source,
        source_kind="".join("#" if char.isdigit() else char for char in source),
        text_column="review",
        key_column="id",
        params={},
    )
    start(log, job)
    made = rows_of(rows, predictor or fake(), made_at=made_at)
    refused = [
        JobRow(place=str(n + 1), number=n, key=key, text="", outcome=REJECT)
        for n, key in enumerate(rejects, start=len(rows))
    ]
    store(log, job, [*made, *refused])
    note(log, job, state="done", rows=len(rows) + len(rejects), rejects=len(rejects))
    found = find(log, name)
    assert found
    return found


def rows_of(
    rows: Mapping[str, str], predictor: Predictor, *, made_at: datetime | None = None
) -> list[JobRow]:
    """A row with its prediction for each key's text."""
    predictions = predictor.predict(list(rows.values()), {})
    if made_at:
        predictions = [replace(each, created_at=made_at) for each in predictions]
    return [
        JobRow(
            place=str(n + 1),
            number=n,
            key=key,
            text=text,
            outcome=prediction,
            content=content_of(text, {}),
        )
        for n, ((key, text), prediction) in enumerate(zip(rows.items(), predictions, strict=True))
    ]
