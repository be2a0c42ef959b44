"""The values that the log holds: entries (predictions and their origin) and ratings of them.

Knows no database.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from files.escape import joined
from model.prediction import Prediction, output_from_json, output_to_json

Verdict = Literal["up", "down"]
# The way in of a prediction: a pasted text, a row of a batch, two models side by side, a request to
# the service, or a job.
Source = Literal["page", "batch", "compare", "api", "job"]
# The way a prediction came to its reviewer: by their own choice, least margin first, by chance,
# because others disagree on it, or because somebody else has rated it too.
Sampling = Literal["", "margin", "random", "disagreement", "agreement"]

ANONYMOUS = "anonymous-"  # no name that a reviewer gives may begin like this
MAX_NAME_CHARS = 80  # of a reviewer
MAX_TEXT_CHARS = 20_000  # of a comment, and of a correction that is a text

# `share * DRAWS` must fit a 32-bit INTEGER, even for a share of 1.
DRAWS = 2**31 - 1


_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: of each row it is a third


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A prediction and its origin.

    `source` is any text in an entry that was imported (see feedback.csv_file).
    """

    prediction: Prediction
    source: Source
    session_id: str
    batch_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One revision of one reviewer's judgement; "" for no correction or comment.

    `blind` ratings were given before the output was seen. `sampling` is the way the prediction was
    chosen for review, "" if its reviewer chose it. `attribution` is, as JSON, the attribution that
    the reviewer saw with the output.
    """

    id: UUID
    prediction_id: UUID
    created_at: datetime
    reviewer: str
    verdict: Verdict
    correction: str = ""
    comment: str = ""
    blind: bool = False
    retracted: bool = False
    sampling: Sampling = ""
    attribution: str = ""

    @property
    def content(self) -> tuple[str | bool, ...]:
        """The judgement without its ids and its time."""
        judgement = (self.verdict, self.correction, self.comment, self.blind, self.retracted)
        return (*judgement, self.sampling, self.attribution)


@dataclass(frozen=True, slots=True)
class ModelRevision:
    """A model as the log names it."""

    model_id: str
    model_revision: str


@dataclass(frozen=True, slots=True)
class Counts:
    """The size of the log; ratings are those that count, the newest of each reviewer."""

    predictions: int
    rated: int
    up: int
    down: int
    reviewers: int


@dataclass(frozen=True, slots=True)
class Added:
    """The numbers that `FeedbackLog.add` stored; `differing` rows are there with other content."""

    predictions: int
    ratings: int
    differing: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Ratings that count, up and down, of one day."""

    day: date
    up: int
    down: int


def reviewer_name(given: str) -> str:
    """A reviewer's name from what was typed; "" if that is blank or reserved."""
    name = " ".join(given.split())[:MAX_NAME_CHARS]
    return "" if name.startswith(ANONYMOUS) else name


def compact_json(value: Any) -> str:
    """JSON without spaces, as it is stored and exported."""
    return _encode(value)


def entry_values(entry: Entry) -> dict[str, Any]:
    """The columns of the table `predictions`."""
    prediction = entry.prediction
    return {
        "id": prediction.id,
        "created_at": prediction.created_at,
        "source": entry.source,
        "batch_id": entry.batch_id,
        "session_id": entry.session_id,
        "task": prediction.task,
        "model_id": prediction.model_id,
        "model_revision": prediction.model_revision,
        "runtime": prediction.runtime,
        "params": dict(prediction.params),
        "input": prediction.input,
        "read": prediction.read,
        "output": output_to_json(prediction.output),
        "label": joined(prediction.label),  # as in the output, which is JSON
        "score": prediction.score,
        "margin": prediction.margin,
        "truncated": prediction.truncated,
        "queue_ms": prediction.queue_ms,
        "inference_ms": prediction.inference_ms,
        "draw": drawn(prediction.id),
    }


_PLAIN_FIELDS = tuple(field.name for field in fields(Prediction) if field.name != "output")


def entry_from(values: Mapping[str, Any]) -> Entry:
    """The entry that has these columns of the table `predictions`; others are ignored."""
    return Entry(
        prediction=Prediction(
            output=output_from_json(values["output"]),
            **{name: values[name] for name in _PLAIN_FIELDS},
        ),
        source=values["source"],
        session_id=values["session_id"],
        batch_id=values["batch_id"],
    )


def drawn(prediction_id: UUID) -> int:
    """The place of a prediction in a random order that never changes, 0 to DRAWS - 1.

    Most bits of a UUIDv7 are random (RFC 9562), and a prime number of draws uses them all.
    """
    return prediction_id.int % DRAWS
