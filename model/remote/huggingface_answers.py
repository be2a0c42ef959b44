"""The answers of Hugging Face's task API as outputs, in each form that servers give them.

Pure: knows no server. Raises LookupError, TypeError or ValueError for another form. Pipelines
nest the answer to a single text or do not; older ones have the labels of zero-shot classification
as two lists (https://github.com/huggingface/transformers, src/transformers/pipelines).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from model.prediction import Output, ScoredLabel, ScoredLabels, Span, Spans
from model.remote.by_task import probability

SUM_MARGIN = 0.01  # by which the probabilities of labels that exclude each other can miss 1


def answer_of_each(value: Any, count: int) -> list[Any] | None:
    """The answer to each text of a list; None if there is not an answer for each.

    Some servers answer for the first text alone, or with the best label of each, as a flat list.
    """
    if not isinstance(value, list) or len(value) != count:
        return None
    whole = (
        isinstance(item, list) or (isinstance(item, dict) and "labels" in item) for item in value
    )
    return value if all(whole) else None


def output_of(task: str, answer: Any, text: str, *, multi_label: bool) -> Output:
    """The output of a task other than text generation from the answer to a single text."""
    bare = _bare(answer)
    match task:
        case "token-classification":
            return Spans(tuple(_span(item, text) for item in bare))
        case "fill-mask":
            return _by_score([(item["token_str"], item["score"]) for item in bare])
        case _:
            return _by_score(_pairs(bare), multi_label=multi_label)


def any_number_applies(scores: Sequence[Mapping[str, float]], *, all_labels: bool) -> bool:
    """True if any number of labels can apply: the probabilities do not sum to 1.

    Without all labels a sum under 1 says nothing.
    """
    sums = [sum(by_label.values()) for by_label in scores]
    least = 1 - SUM_MARGIN if all_labels else 0.0
    return any(not least <= total <= 1 + SUM_MARGIN for total in sums)


def generated_text(value: Any) -> tuple[str, Mapping[str, Any]]:
    """The whole text of an answer or of the last event, and the details that came with it."""
    bare = _bare(value)
    item = bare[0] if isinstance(bare, list) else bare
    text = item["generated_text"]
    if not isinstance(text, str):
        raise TypeError(f"generated_text is {text!r:.40}")
    return text, item.get("details") or {}


def _bare(value: Any) -> Any:
    """The answer to a single text without the list around it."""
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        (value,) = value
    return value


def _pairs(bare: Any) -> list[tuple[str, Any]]:
    if isinstance(bare, dict):
        return list(zip(bare["labels"], bare["scores"], strict=True))
    if len(bare) == 1 and "labels" in bare[0]:
        return _pairs(bare[0])
    return [(item["label"], item["score"]) for item in bare]


def _by_score(pairs: Sequence[tuple[str, Any]], *, multi_label: bool = False) -> ScoredLabels:
    if not pairs or not all(isinstance(label, str) for label, _ in pairs):
        raise ValueError("there are no labels")
    items = [ScoredLabel(label, probability(score)) for label, score in pairs]
    return ScoredLabels(tuple(sorted(items, key=lambda item: -item.score)), multi_label)


def _span(item: Mapping[str, Any], text: str) -> Span:
    """A span; a server without groups has `entity` for a single token."""
    label = item["entity_group"] if "entity_group" in item else item["entity"]
    start, end = item["start"], item["end"]
    if type(start) is not int or type(end) is not int or not 0 <= start <= end <= len(text):
        raise ValueError(f"the words from {start!r:.20} to {end!r:.20} are not in the text")
    return Span(str(label), probability(item["score"]), start, end)
