"""What a model said about one input, and what the model is: plain frozen values.

The feedback log stores these and knows nothing else of the model. An output is of one of three
kinds: scored labels, spans of the input, or generated text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite
from typing import Any, Literal, get_args
from uuid import UUID

from uuid_utils.compat import uuid7

THRESHOLD = 0.5  # from here on a label applies, where each is decided for itself


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): later ids sort after earlier ones made by the same process."""
    return uuid7()


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """A label with its probability, 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class ScoredLabels:
    """Labels by falling score: one of them applies, or with `multi_label` any number."""

    items: tuple[ScoredLabel, ...]
    multi_label: bool = False

    @property
    def label(self) -> str:
        """The label with the highest score; "" if none applies."""
        return self.chosen[0] if self.chosen else ""

    @property
    def score(self) -> float:
        """The highest score."""
        return self.items[0].score

    @property
    def margin(self) -> float:
        """How far the output is from being another one, 0 to 1.

        The lead over the second label; with `multi_label`, how far the label that is closest to
        the threshold is from it, as a share of the way to 0 or 1.
        """
        if self.multi_label:
            return min(abs(item.score - THRESHOLD) for item in self.items) / THRESHOLD
        return self.score - self.items[1].score if len(self.items) > 1 else self.score

    @property
    def chosen(self) -> tuple[str, ...]:
        """The labels that apply: the first one, or with `multi_label` those at the threshold."""
        if self.multi_label:
            return tuple(item.label for item in self.items if item.score >= THRESHOLD)
        return (self.items[0].label,)


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled part of the input, from character `start` up to and without `end`."""

    label: str
    score: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Spans:
    """The spans found, in the order of the text; none is an answer too."""

    items: tuple[Span, ...]

    @property
    def label(self) -> str:
        """The label of the surest span, "" if there is none."""
        return max(self.items, key=lambda span: span.score).label if self.items else ""

    @property
    def score(self) -> float | None:
        """The score of the surest span."""
        return max((span.score for span in self.items), default=None)

    @property
    def margin(self) -> float | None:
        """The score of the least sure span."""
        return min((span.score for span in self.items), default=None)


Finish = Literal["end", "length", "stopped"]


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """Text that continues or answers the input; it has neither label nor score.

    `finish` says why it is over: the model ended it, it reached the length that was asked for,
    or somebody stopped it.
    """

    text: str
    tokens: int
    finish: Finish
    label: str = field(default="", init=False)
    score: None = field(default=None, init=False)
    margin: None = field(default=None, init=False)


Output = ScoredLabels | Spans | GeneratedText


def output_to_json(output: Output) -> Any:
    """The output as a value that JSON can hold; docs/csv.md describes it."""
    match output:
        case ScoredLabels(items, multi_label):
            labels = [{"label": item.label, "score": item.score} for item in items]
            return {"labels": labels, "multi_label": True} if multi_label else labels
        case Spans(items):
            return {
                "spans": [
                    {"label": s.label, "score": s.score, "start": s.start, "end": s.end}
                    for s in items
                ]
            }
        case GeneratedText(text, tokens, finish):
            return {"text": text, "tokens": tokens, "finish": finish}


def output_from_json(value: Any) -> Output:
    """What `output_to_json` was given; raises ValueError, KeyError or TypeError for all else."""
    if isinstance(value, dict) and "text" in value:
        text, tokens, finish = value["text"], value["tokens"], value["finish"]
        if not isinstance(text, str) or type(tokens) is not int or finish not in get_args(Finish):
            raise ValueError("not a generated text")
        return GeneratedText(text, tokens, finish)
    if isinstance(value, dict) and "spans" in value:
        return Spans(tuple(_span(item) for item in value["spans"]))
    multi_label = isinstance(value, dict)
    listed = value["labels"] if multi_label else value
    items = tuple(ScoredLabel(_text(item["label"]), _score(item["score"])) for item in listed)
    if not items or list(items) != sorted(items, key=lambda item: -item.score):
        raise ValueError("no labels, or not by falling score")
    return ScoredLabels(items, multi_label)


def _span(item: Any) -> Span:
    start, end = item["start"], item["end"]
    if type(start) is not int or type(end) is not int or not 0 <= start <= end:
        raise ValueError("not a span")
    return Span(_text(item["label"]), _score(item["score"]), start, end)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _score(value: Any) -> float:
    if not isinstance(value, float) or not isfinite(value) or not 0 <= value <= 1:
        raise ValueError("not a probability")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One output for one input, with everything needed to say it again.

    `queue_ms` is the wait for the model, `inference_ms` the forward passes that the input was in.
    """

    id: UUID
    created_at: datetime
    task: str
    model_id: str
    model_revision: str
    runtime: str
    params: Mapping[str, Any]
    input: str
    output: Output
    truncated: bool
    queue_ms: float
    inference_ms: float

    @property
    def label(self) -> str:
        """The output in one label, "" if it has none."""
        return self.output.label

    @property
    def score(self) -> float | None:
        """The probability of that label."""
        return self.output.score

    @property
    def margin(self) -> float | None:
        """How sure the output is, 0 to 1; each kind of output says what that means."""
        return self.output.margin


@dataclass(frozen=True, slots=True)
class Weight:
    """How far the label's probability falls without these characters of the input, -1 to 1.

    From `start` up to and without `end`. Below 0 they speak against the label.
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """Which words of an input speak for a label, in the order of the text.

    A weight is of `words_each` neighbouring words (the last one perhaps of fewer): of one, unless
    the text has too many.
    """

    label: str
    words_each: int
    weights: tuple[Weight, ...]


def attribution_to_json(attribution: Attribution) -> Any:
    """The attribution as a value that JSON can hold; a weight is [start, end, weight]."""
    return {
        "label": attribution.label,
        "words_each": attribution.words_each,
        "weights": [[one.start, one.end, one.weight] for one in attribution.weights],
    }


def attribution_from_json(value: Any) -> Attribution:
    """What `attribution_to_json` was given; raises ValueError, KeyError or TypeError otherwise."""
    words_each = value["words_each"]
    if type(words_each) is not int or words_each < 1:
        raise ValueError("not a number of words")
    weights = tuple(_weight(*item) for item in value["weights"])
    if not weights or any(left.end > right.start for left, right in pairwise(weights)):
        raise ValueError("no weights, or not in the order of the text")
    return Attribution(_text(value["label"]), words_each, weights)


def _weight(start: Any, end: Any, weight: Any) -> Weight:
    if type(start) is not int or type(end) is not int or not 0 <= start < end:
        raise ValueError("not characters of the input")
    if not isinstance(weight, float) or not -1 <= weight <= 1:
        raise ValueError("not a difference of probabilities")
    return Weight(start, end, weight)


@dataclass(frozen=True, slots=True)
class Example:
    """A text to try, with parameters that fit it."""

    text: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter of a prediction: what it is called, its default, and what it may be.

    Its kind is the type of `default`: bool, int, float, str, or tuple for a list of texts. A
    number lies between `minimum` and `maximum`, a list has at most `maximum` items, a text is one
    of `choices` if there are any. The form always shows one that is `essential`.
    """

    name: str
    title: str
    default: Any
    minimum: float = 0
    maximum: float = 0
    choices: tuple[str, ...] = ()
    hint: str = ""
    essential: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is loaded: enough for a page about it and for a log entry to name it."""

    id: str
    revision: str
    title: str
    task: str
    intro: str
    placeholder: str
    labels: tuple[str, ...]
    params: tuple[Param, ...]
    examples: tuple[Example, ...]
    parameters: int
    memory_bytes: int
    max_tokens: int | None  # that a text may have; None where there is no limit
    runtime: str
    device: str
    dtype: str
    dtype_reason: str  # why, if it was chosen by a trial
    versions: Mapping[str, str]
    card: str
