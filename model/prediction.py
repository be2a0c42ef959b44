"""A prediction and its output: plain frozen values, and their JSON.

The feedback log stores these and knows nothing else of the model. An output is of one of three
kinds: scored labels, spans of the input, or generated text. Each kind has the same properties, by
which everything but its JSON and its card works for all of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite
from typing import Any, Literal, assert_never, get_args
from uuid import UUID

from uuid_utils.compat import uuid7

THRESHOLD = 0.5  # from here on a label applies, where each is decided for itself

TaskName = Literal[
    "text-classification",
    "zero-shot-classification",
    "token-classification",
    "fill-mask",
    "text-generation",
]
TASK_NAMES: tuple[TaskName, ...] = get_args(TaskName)
# The form of an answer, and so of a correction: a label, several, labelled spans, or any text.
AnswerKind = Literal["label", "labels", "spans", "text"]
# An output without its scores: labels, spans by start, end and label, or a text.
Answer = frozenset[str] | frozenset[tuple[int, int, str]] | str


def has_closed_labels(task: TaskName) -> bool:
    """True if the scored labels of a task are a closed set, of which one can be right.

    The words for a gap are none: more than those that the model names can be right.
    """
    match task:
        case "text-classification" | "zero-shot-classification":
            return True
        case "token-classification" | "fill-mask" | "text-generation":
            return False
        case _:
            assert_never(task)


CLOSED_LABEL_TASKS = tuple(task for task in TASK_NAMES if has_closed_labels(task))


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

    @property
    def answer_kind(self) -> AnswerKind:
        return "labels" if self.multi_label else "label"

    @property
    def answer(self) -> Answer:
        """The labels that apply; a single one is a set too, as several may fit another model."""
        return frozenset(self.chosen)

    @property
    def scores(self) -> dict[Any, float]:
        """Every score by its label."""
        return {item.label: item.score for item in self.items}

    @property
    def is_whole(self) -> bool:
        return True


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

    @property
    def answer_kind(self) -> AnswerKind:
        return "spans"

    @property
    def answer(self) -> Answer:
        return places(self.items)

    @property
    def scores(self) -> dict[Any, float]:
        """Every score by the label and place of its span."""
        return {(span.label, span.start, span.end): span.score for span in self.items}

    @property
    def is_whole(self) -> bool:
        return True


def places(spans: Iterable[Span]) -> Answer:
    """Spans without their scores: each by start, end and label."""
    return frozenset((span.start, span.end, span.label) for span in spans)


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

    @property
    def answer_kind(self) -> AnswerKind:
        return "text"

    @property
    def answer(self) -> Answer:
        return self.text.strip()

    @property
    def scores(self) -> dict[Any, float]:
        return {}

    @property
    def is_whole(self) -> bool:
        """False for a text that somebody stopped."""
        return self.finish != "stopped"


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
        case _:
            assert_never(output)


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
        """The certainty of the output, 0 to 1; each kind of output defines it."""
        return self.output.margin

    @property
    def answer_kind(self) -> AnswerKind:
        """The form of an answer to such an input; a text is open: more than one can be right."""
        return "text" if self._is_open else self.output.answer_kind

    @property
    def answer(self) -> Answer:
        """The output without its scores."""
        return self.output.label.strip() if self._is_open else self.output.answer

    @property
    def _is_open(self) -> bool:
        """True for labels that are words of a language and not a closed set.

        An imported prediction can be of a task that this version does not know; its labels count
        as closed.
        """
        known = self.task in TASK_NAMES and self.task not in CLOSED_LABEL_TASKS
        return known and self.output.answer_kind == "label"


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
