"""What a model said about one input, and what the model is: plain frozen values.

The feedback log stores these and knows nothing else of the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): later ids sort after earlier ones made by the same process."""
    return uuid7()


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """A label of the model with its probability, 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One output for one input, with everything needed to say it again.

    `output` is sorted by falling score. `queue_ms` is the wait for the model, `inference_ms` the
    forward pass of the batch that held the input.
    """

    id: UUID
    created_at: datetime
    task: str
    model_id: str
    model_revision: str
    params: Mapping[str, Any]
    input: str
    output: tuple[ScoredLabel, ...]
    truncated: bool
    queue_ms: float
    inference_ms: float

    @property
    def label(self) -> str:
        """The label with the highest score."""
        return self.output[0].label

    @property
    def score(self) -> float:
        """The highest score."""
        return self.output[0].score

    @property
    def margin(self) -> float:
        """How far the best label leads the second, 0 to 1; the score itself if there is one."""
        return self.score - self.output[1].score if len(self.output) > 1 else self.score


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is loaded: enough for a page about it and for a log entry to name it."""

    id: str
    revision: str
    task: str
    labels: tuple[str, ...]
    parameters: int
    memory_bytes: int
    max_tokens: int
    runtime: str
    device: str
    dtype: str
    versions: Mapping[str, str]
    card: str
