"""What the log holds, as values: an entry a prediction, a rating a judgement of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from files.escape import joined
from model.prediction import Prediction, output_from_json, output_to_json

Verdict = Literal["up", "down"]
# How a prediction came to its reviewer: their own choice, least margin first, by chance, because
# others disagree on it, or because somebody else has rated it too.
Sampling = Literal["", "margin", "random", "disagreement", "agreement"]


DRAWS = 2**31 - 1  # the share of all of them is still an integer of the database


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A prediction and where it came from: `source` is page, batch, compare, api or job."""

    prediction: Prediction
    source: str
    session_id: str
    batch_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One revision of one reviewer's judgement; "" where there is no correction or comment.

    `blind` is said before the output was seen. `sampling` is how a queue chose the prediction, ""
    if its reviewer did. `attribution` is, as JSON, what the reviewer saw of why the output is so.
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
        """What the reviewer said, whenever it was said."""
        said = (self.verdict, self.correction, self.comment, self.blind, self.retracted)
        return (*said, self.sampling, self.attribution)


@dataclass(frozen=True, slots=True)
class Revision:
    """A model as the log names it."""

    model_id: str
    model_revision: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows of the log; what is "", None or False leaves all.

    `verdict` is up, down or unrated, `text` a substring, `truth` the one label that is right by a
    rating, `tenth` of the score (0 to 9), `day` that of the rating (UTC), `disputed` where a
    prediction has ratings up and down, `drawn_to` the last draw (see feedback.insights.Drawn).
    """

    verdict: str = ""
    label: str = ""
    text: str = ""
    truth: str = ""
    tenth: int | None = None
    day: date | None = None
    blind: bool | None = None
    drawn_to: int | None = None
    disputed: bool = False
    rated: bool = False
    revision: Revision | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is; ratings are those that count, the newest of each reviewer."""

    predictions: int
    rated: int
    up: int
    down: int
    reviewers: int


@dataclass(frozen=True, slots=True)
class Added:
    """What `FeedbackLog.add` stored; `differing` are ids that it had with other content."""

    predictions: int
    ratings: int
    differing: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Ratings that count, up and down, of one day."""

    day: date
    up: int
    down: int


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
        "output": output_to_json(prediction.output),
        "label": joined(prediction.label),  # as in the output, which is JSON
        "score": prediction.score,
        "margin": prediction.margin,
        "truncated": prediction.truncated,
        "queue_ms": prediction.queue_ms,
        "inference_ms": prediction.inference_ms,
        "draw": drawn(prediction.id),
    }


def drawn(prediction_id: UUID) -> int:
    """A number from 0 to DRAWS - 1 by which predictions are in random order, always the same.

    Most bits of a UUIDv7 are random (RFC 9562), and a prime number of draws uses them all.
    """
    return prediction_id.int % DRAWS


def entry_from(values: Mapping[str, Any]) -> Entry:
    """What `entry_values` was given."""
    named = (
        "id created_at task model_id model_revision runtime params input truncated queue_ms "
        "inference_ms"
    )
    return Entry(
        prediction=Prediction(
            output=output_from_json(values["output"]),
            **{name: values[name] for name in named.split()},
        ),
        source=values["source"],
        session_id=values["session_id"],
        batch_id=values["batch_id"],
    )
