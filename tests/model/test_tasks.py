"""The tasks: which a model has, its labels, and its output for logits and tags."""

from typing import Any

import numpy as np
import pytest

from model import ModelError, ModelLoadError
from model.prediction import TASK_NAMES
from model.tasks import (
    TASKS,
    TextClassification,
    TokenClassification,
    ZeroShotClassification,
    task_for,
)
from model.tokenizer import TokenRow

CONFIG: dict[str, Any] = {
    "architectures": ["BertForSequenceClassification"],
    "id2label": {"2": "k", "1": "c", "0": "a"},
}
NO_TOKENIZER: Any = type("", (), {"is_fast": True})()  # what is tested here needs none of it


def classified(*logits: float, **config: Any) -> Any:
    task = TextClassification(CONFIG | config, NO_TOKENIZER)
    return task.output("", [], [np.array(logits, np.float32)], {})


def test_labels_follow_their_numbers() -> None:
    assert TextClassification(CONFIG, NO_TOKENIZER).labels == ("a", "c", "k")


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ({}, ("LABEL_0", "LABEL_1")),
        ({"num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2")),
        ({"id2label": {0: "a", 1: "b"}}, ("a", "b")),
        ({"id2label": {str(n): n for n in range(11)}}, tuple(map(str, range(11)))),
    ],
)
def test_labels_that_are_not_named(config: dict[str, Any], labels: tuple[str, ...]) -> None:
    assert TextClassification(config, NO_TOKENIZER).labels == labels


@pytest.mark.parametrize("odd", [{"1": "a", "2": "b"}, ["a", "b"], {"a": "0"}])
def test_labels_that_name_other_ids_are_refused(odd: Any) -> None:
    with pytest.raises(ModelLoadError, match="id2label must name the ids 0 to"):
        TextClassification({"id2label": odd}, NO_TOKENIZER)


def test_more_scores_than_labels_are_refused() -> None:
    with pytest.raises(ModelError, match="gives 4 scores and its config names 3 labels"):
        classified(1, 2, 3, 4)


def test_scores_are_the_softmax_by_falling_score() -> None:
    output = classified(*np.log([0.2, 0.5, 0.3]))
    assert [item.label for item in output.items] == ["c", "k", "a"]
    assert [item.score for item in output.items] == pytest.approx([0.5, 0.3, 0.2])
    assert output.chosen == ("c",)


def test_several_labels_are_decided_each_for_itself() -> None:
    output = classified(0, 3, -3, problem_type="multi_label_classification")
    assert [item.score for item in output.items] == pytest.approx([0.9526, 0.5, 0.0474], abs=1e-4)
    assert output.multi_label
    assert output.chosen == ("c", "a"), "at the threshold it applies"
    assert output.margin == 0, "one label is on the threshold"


def test_huge_logits_do_not_overflow() -> None:
    assert [item.score for item in classified(1e4, 0, -1e4).items] == [1.0, 0.0, 0.0]
    output = classified(1e4, 0, -1e4, problem_type="multi_label_classification")
    assert [item.score for item in output.items] == [1.0, 0.5, 0.0]


@pytest.mark.parametrize("problem", [None, "multi_label_classification"])
@pytest.mark.parametrize("logits", [[np.nan, 0, 0], [np.inf, 0, 0], [-np.inf, 1, 2]])
def test_logits_that_are_no_numbers_are_refused(logits: list[float], problem: str | None) -> None:
    with pytest.raises(ModelError, match="not numbers"):
        classified(*logits, problem_type=problem)


def test_ties_keep_the_order_of_the_labels() -> None:
    assert [item.label for item in classified(0, 0, 0).items] == ["a", "c", "k"]


# --- which task -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "id2label", "tag", "task"),
    [
        ("BertForSequenceClassification", {"0": "a"}, "", "text-classification"),
        ("BartForSequenceClassification", {"0": "ENTAILMENT"}, "", "zero-shot-classification"),
        ("XLMRobertaForTokenClassification", {}, "", "token-classification"),
        ("BertForMaskedLM", {}, "", "fill-mask"),
        ("GPT2LMHeadModel", {}, "", "text-generation"),
        ("LlamaForCausalLM", {}, "text-classification", "text-generation"),
        (None, {}, "fill-mask", "fill-mask"),
    ],
)
def test_the_task_is_what_the_model_is_made_for(
    architecture: str | None, id2label: dict[str, str], tag: str, task: str
) -> None:
    config = {"architectures": architecture and [architecture], "id2label": id2label}
    assert task_for("auto", config, tag).name == task


@pytest.mark.parametrize("tag", ["", "summarization", "text-classification"])
def test_a_model_of_another_kind_is_told_what_is_supported(tag: str) -> None:
    with pytest.raises(ModelLoadError) as caught:
        task_for("auto", {"architectures": ["T5ForConditionalGeneration"]}, tag)
    assert "T5ForConditionalGeneration" in str(caught.value)
    for name in TASKS:
        assert name in str(caught.value)


def test_each_name_of_a_task_has_its_class() -> None:
    assert tuple(TASKS) == TASK_NAMES


def test_a_classifier_of_something_else_cannot_do_zero_shot() -> None:
    with pytest.raises(ModelLoadError, match=r"labels are a, c, k; zero-shot-classification needs"):
        ZeroShotClassification(CONFIG, NO_TOKENIZER)


# --- spans ----------------------------------------------------------------------------------------

TAGS = ["O", "B-PER", "I-PER", "LOC", "A-B-C"]


def tagged(*tags: str) -> list[tuple[str, int, int]]:
    """The spans that tokens of one character each make, by the tag of each."""
    task = TokenClassification(
        {"id2label": {str(i): tag for i, tag in enumerate(TAGS)}}, NO_TOKENIZER
    )
    row = TokenRow(
        {"input_ids": range(len(tags))}, False, tuple((i, i + 1) for i in range(len(tags)))
    )
    logits = np.array([[9.0 * (tag == one) for one in TAGS] for tag in tags], np.float32)
    output = task.output("x" * len(tags), [row], [logits], {"aggregation_strategy": "simple"})
    return [(span.label, span.start, span.end) for span in output.items]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O", []),
        ("B-PER I-PER O", [("PER", 0, 2)]),
        ("B-PER B-PER", [("PER", 0, 1), ("PER", 1, 2)]),
        ("I-PER O I-PER", [("PER", 0, 1), ("PER", 2, 3)]),
        ("LOC LOC B-PER", [("LOC", 0, 2), ("PER", 2, 3)]),
        ("O A-B-C", [("B-C", 1, 2)]),
    ],
)
def test_neighbours_of_one_label_are_one_span(tags: str, spans: list[tuple[str, int, int]]) -> None:
    assert tagged(*tags.split()) == spans
