"""A prediction and its output: plain frozen values, and their JSON.

The feedback log stores these and knows nothing else of `model/`. The three kinds of output (scored
labels, spans, generated text) have the same properties: only their JSON and their look differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite
from typing import Any, Literal, assert_never, get_args
from uuid import UUID

from uuid_utils.compat import uuid7

from model.text import are_aligned

THRESHOLD = 0.5  # the least score of a label that applies, if each label is decided by itself

TaskName = Literal[
    "text-classification",
    "zero-shot-classification",
    "token-classification",
    "fill-mask",
    "text-generation",
]
TASK_NAMES: tuple[TaskName, ...] = get_args(TaskName)
# The form of an answer and of a correction: a label, several labels, labelled spans, or a text.
AnswerKind = Literal["label", "labels", "spans", "text"]
# An output without its scores: labels, spans by start, end and label, or a text.
Answer = frozenset[str] | frozenset[tuple[int, int, str]] | str


def labels_of_output(task: TaskName) -> Literal["closed", "open", "none"]:
    """The set from which a task takes the labels of a whole output.

    Closed if the right label is among them, open for the words of a gap, none for other outputs.
    """
    match task:
        case "text-classification" | "zero-shot-classification":
            return "closed"
        case "fill-mask":
            return "open"
        case "token-classification" | "text-generation":
            return "none"
        case _:
            assert_never(task)


CLOSED_LABEL_TASKS = tuple(task for task in TASK_NAMES if labels_of_output(task) == "closed")
OPEN_LABEL_TASKS = tuple(task for task in TASK_NAMES if labels_of_output(task) == "open")


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562); the ids of a process sort in the order in which they are drawn."""
    return uuid7()


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """A label with its probability, 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class ScoredLabels:
    """Labels by falling score, of which the first applies; with `multi_label` any number can."""

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
        """The distance of the output from a different answer, 0 to 1.

        It is the lead over the second label; with `multi_label` the distance from the threshold of
        the label closest to it, as a share of the way to 0 or 1.
        """
        if self.multi_label:
            return min(abs(item.score - THRESHOLD) for item in self.items) / THRESHOLD
        return self.score - self.items[1].score if len(self.items) > 1 else self.score

    @property
    def chosen(self) -> tuple[str, ...]:
        """The labels that apply: the first, or with `multi_label` all from the threshold on."""
        if self.multi_label:
            return tuple(item.label for item in self.items if item.score >= THRESHOLD)
        return (self.items[0].label,)

    @property
    def answer_kind(self) -> AnswerKind:
        """The form of `answer`."""
        return "labels" if self.multi_label else "label"

    @property
    def answer(self) -> Answer:
        """The labels that apply, also a single label as a set: another model may give several."""
        return frozenset(self.chosen)

    @property
    def scores(self) -> dict[Any, float]:
        """The scores by label."""
        return {item.label: item.score for item in self.items}

    @property
    def is_whole(self) -> bool:
        """True, since labels come all at once."""
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
    """Spans of a text (see `Prediction.spans_of`) in its order; no spans are an answer too."""

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
        """The form of `answer`."""
        return "spans"

    @property
    def answer(self) -> Answer:
        """The spans without their scores."""
        return places(self.items)

    @property
    def scores(self) -> dict[Any, float]:
        """The scores by label, start and end of the span."""
        return {(span.label, span.start, span.end): span.score for span in self.items}

    @property
    def is_whole(self) -> bool:
        """True, since spans come all at once."""
        return True


def places(spans: Iterable[Span]) -> Answer:
    """Spans without their scores: each by start, end and label."""
    return frozenset((span.start, span.end, span.label) for span in spans)


Finish = Literal["end", "length", "stopped"]


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """Text that continues or answers the input; it has neither label nor score.

    `finish` is "end" if the model ended it, "length" if it reached the length that was asked for,
    "stopped" if a reader stopped it or left.
    """

    text: str
    tokens: int
    finish: Finish
    label: str = field(default="", init=False)
    score: None = field(default=None, init=False)
    margin: None = field(default=None, init=False)

    @property
    def answer_kind(self) -> AnswerKind:
        """The form of `answer`."""
        return "text"

    @property
    def answer(self) -> Answer:
        """The text without white space around it."""
        return self.text.strip()

    @property
    def scores(self) -> dict[Any, float]:
        """Empty, since a text has no scores."""
        return {}

    @property
    def is_whole(self) -> bool:
        """False for a text that was stopped."""
        return self.finish != "stopped"


Output = ScoredLabels | Spans | GeneratedText


def output_to_json(output: Output) -> Any:
    """The output as a value that JSON can hold; docs/csv.md describes it.

    Only labels of which one applies are an array: by that the log's totals know them.
    """
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
    """The output from its JSON; raises ValueError, KeyError or TypeError for any other value."""
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
    """An output for an input, with all that is needed to predict it again.

    `read` is the text that was read instead, `queue_ms` the wait, `inference_ms` its batch's time.
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
    read: str | None = None

    @property
    def label(self) -> str:
        """The output as a single label; "" if it has no label."""
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
    def spans_of(self) -> Literal["input", "read"]:
        """The text whose characters the spans count: the input, if what was read fits it."""
        aligned = self.read is None or are_aligned(self.input, self.read)
        return "input" if aligned else "read"

    @property
    def spanned(self) -> str:
        """The text that `spans_of` names."""
        return self.read or "" if self.spans_of == "read" else self.input

    @property
    def answer_kind(self) -> AnswerKind:
        """The form of an answer to the input; "text" also for labels that are not a closed set."""
        return "text" if self._is_open else self.output.answer_kind

    @property
    def answer(self) -> Answer:
        """The output without its scores."""
        return self.output.label.strip() if self._is_open else self.output.answer

    @property
    def _is_open(self) -> bool:
        """True for words of a language; labels of a task unknown here count as a closed set."""
        return self.task in OPEN_LABEL_TASKS and self.output.answer_kind == "label"


@dataclass(frozen=True, slots=True)
class Weight:
    """The fall of the label's probability without some characters of the input, -1 to 1.

    They are from `start` up to and without `end`. Below 0 they speak against the label.
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """The words of an input that speak for or against a label, in the order of the text.

    A weight is that of `words_each` neighbouring words, the last weight perhaps of fewer;
    `words_each` is 1 unless the text is long.
    """

    label: str
    words_each: int
    weights: tuple[Weight, ...]


def attribution_to_json(attribution: Attribution) -> Any:
    """The attribution as a value that JSON can hold; a weight is [start, end, weight]."""
    return {
        "label": attribution.label,
        "words_each": attribution.words_each,
        "weights": [[weight.start, weight.end, weight.weight] for weight in attribution.weights],
    }


def attribution_from_json(value: Any) -> Attribution:
    """The attribution from its JSON; raises ValueError, KeyError or TypeError otherwise."""
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
