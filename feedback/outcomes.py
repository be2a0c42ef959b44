"""The right answers by the ratings, and the outcome of each with another model's predictions.

Pure: knows neither a database nor a model. The rated prediction is the baseline; another output for
the same input is compared with it and with the answer that reviewers say is right.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, assert_never, get_args

from feedback.corrections import labels_from_text, spans_from_text
from feedback.records import Rating, compact_json
from feedback.statistics import sign_test
from model.prediction import Answer, AnswerKind, Prediction, places

Outcome = Literal["broken", "fixed", "still wrong", "still right", "unknown"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)  # in the order in which they are listed
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Reference:
    """A rated prediction and the judgement of its reviewers.

    `is_right` judges the output; `truth` is the right answer, None if nobody gave it or reviewers
    do not agree.
    """

    prediction: Prediction
    is_right: bool
    truth: Answer | None

    @property
    def kind(self) -> AnswerKind:
        return self.prediction.answer_kind


def answer_to_json(answer: Answer | None, kind: AnswerKind) -> str:
    """An answer as one text: a label or a text as it is, several labels and spans as JSON.

    Spans are as in a correction. "" for None.
    """
    if answer is None:
        return ""
    if isinstance(answer, str):
        return answer
    items: list[Any] = sorted(answer)
    match kind:
        case "spans":
            return compact_json([{"label": n, "start": s, "end": e} for s, e, n in items])
        case "label" if len(items) == 1:
            return str(items[0])
        case "label" | "labels" | "text":
            return compact_json(items)
        case _:
            assert_never(kind)


def reference(prediction: Prediction, ratings: Iterable[Rating]) -> Reference | None:
    """The judgement of the majority; None if reviewers are divided, or there are no ratings.

    `ratings` are those that count. A thumb up says that the output is right. If most are down, the
    most frequent correction is right; if no correction is the most frequent, the truth is unknown.
    """
    corrections: list[Answer] = []
    margin = 0
    for rating in ratings:
        margin += 1 if rating.verdict == "up" else -1
        if rating.verdict == "down":
            answer = _corrected(prediction, rating.correction)
            if answer is not None and answer != prediction.answer:
                corrections.append(answer)
    if margin == 0:
        return None
    if margin > 0:
        return Reference(prediction, True, prediction.answer)
    return Reference(prediction, False, _most_frequent(corrections))


def outcome(reference: Reference, new: Prediction | None) -> Outcome:
    """The outcome with another model's prediction; None if it could not predict the input.

    "unknown" is for a new answer that no reviewer has judged.
    """
    if new is not None:
        answer = new.answer
        if answer == reference.prediction.answer:
            return "still right" if reference.is_right else "still wrong"
        if answer == reference.truth:
            return "fixed"
        if reference.truth is None or reference.kind == "text":
            return "unknown"
    return "broken" if reference.is_right else "still wrong"


@dataclass(slots=True)
class OutcomeCounts:
    """The number of predictions with each outcome, in all and by the label of the rated one."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    by_label: dict[str, Counter[Outcome]] = field(default_factory=dict)

    def add(self, reference: Reference, outcome: Outcome) -> None:
        self.counts[outcome] += 1
        self.by_label.setdefault(reference.prediction.label, Counter())[outcome] += 1

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def changed(self) -> int:
        """The number of predictions that are fixed or broken, which the test compares."""
        return self.counts["fixed"] + self.counts["broken"]

    @property
    def p(self) -> float:
        """McNemar's exact p: the probability of so uneven a split if neither model is better."""
        return sign_test(self.counts["fixed"], self.counts["broken"])


def _corrected(prediction: Prediction, correction: str) -> Answer | None:
    """The answer that a correction gives; None if it is empty or not of the right form."""
    if not correction.strip():
        return None
    match prediction.answer_kind:
        case "label":
            return frozenset([correction])
        case "labels":
            labels = labels_from_text(correction)
            return None if labels is None else frozenset(labels)
        case "spans":
            spans = spans_from_text(correction)
            return None if spans is None else places(spans)
        case "text":
            return correction.strip()
        case kind:
            assert_never(kind)


def _most_frequent(answers: Sequence[T]) -> T | None:
    """The most frequent answer; None if there are none, or if another is as frequent."""
    ranked = Counter(answers).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
