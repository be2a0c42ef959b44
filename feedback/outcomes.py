"""What reviewers say a prediction should be, and what becomes of it with another model.

Pure: knows neither the log nor a model. The rated prediction is the baseline; another output for
the same input is compared with it and with what reviewers said.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, assert_never, get_args

from feedback.corrections import labels_from_text, spans_from_text
from feedback.records import Rating
from feedback.statistics import sign_test
from feedback.tables import compact_json
from model.prediction import Answer, AnswerKind, Prediction, places

Outcome = Literal["broken", "fixed", "still wrong", "still right", "unknown"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)  # in the order in which they are listed
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Reference:
    """A rated prediction with what its reviewers say: right or not, and what would be right.

    `truth` is the answer that is right, None where nobody said or they do not agree.
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
    if kind == "spans":
        return compact_json([{"label": n, "start": s, "end": e} for s, e, n in items])
    return items[0] if kind == "label" and len(items) == 1 else compact_json(items)


def reference(prediction: Prediction, ratings: Iterable[Rating]) -> Reference | None:
    """What the majority of these ratings says; None if they are divided, or there are none.

    `ratings` are those that count. Thumbs up says that the output is right; of those who say it is
    not, the correction that most of them give is. Where no correction leads, none is known.
    """
    corrections: list[Answer] = []
    margin = 0
    for rating in ratings:
        margin += 1 if rating.verdict == "up" else -1
        said = _corrected(prediction, rating.correction) if rating.verdict == "down" else None
        if said is not None and said != prediction.answer:
            corrections.append(said)
    if margin == 0:
        return None
    if margin > 0:
        return Reference(prediction, True, prediction.answer)
    return Reference(prediction, False, _leading(corrections))


def outcome(reference: Reference, new: Prediction | None) -> Outcome:
    """What another model's output makes of it; None is one that could not predict the input.

    "unknown" is a new answer of which nobody said whether it is right.
    """
    if new is not None:
        said = new.answer
        if said == reference.prediction.answer:
            return "still right" if reference.is_right else "still wrong"
        if said == reference.truth:
            return "fixed"
        if reference.truth is None or reference.kind == "text":
            return "unknown"
    return "broken" if reference.is_right else "still wrong"


@dataclass(slots=True)
class Score:
    """How many predictions have which outcome, in all and by the label they had."""

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
        """How many predictions are fixed or broken: what the test goes by."""
        return self.counts["fixed"] + self.counts["broken"]

    @property
    def p(self) -> float:
        """McNemar's exact p: how likely a split this uneven is if neither model is better."""
        return sign_test(self.counts["fixed"], self.counts["broken"])


def _corrected(prediction: Prediction, correction: str) -> Answer | None:
    """The answer that a correction gives; None if it is none, or not of the form it should be."""
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


def _leading(said: Sequence[T]) -> T | None:
    """What is said most often, if nothing else is as often."""
    first, second = [*Counter(said).most_common(2), (None, 0), (None, 0)][:2]
    return first[0] if first[1] > second[1] else None
