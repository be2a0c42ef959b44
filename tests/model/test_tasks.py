"""What the tasks make of text, parameters, tags and logits."""

from typing import Any

import numpy as np
import pytest

from model import GeneratedText, InputError, ModelError, ModelLoadError, Param, Spans
from model.params import checked
from model.prediction import TASK_NAMES, output_from_json, output_to_json
from model.tasks import (
    TASKS,
    TextClassification,
    TokenClassification,
    ZeroShotClassification,
    task_for,
)
from model.text import check_text
from model.tokenizer import TokenRow
from tests.helpers.entries import entry, labels

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


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000", "\u200b\u200b", "\0", "\u202e"])
def test_a_blank_text_gets_a_hint(text: str) -> None:
    with pytest.raises(InputError, match="no text to predict"):
        check_text(text, max_chars=10)


def test_a_long_text_gets_the_limit_and_its_size() -> None:
    check_text("x" * 1000, max_chars=1000)
    with pytest.raises(InputError, match=r"has 1,001 characters and the limit is 1,000\."):
        check_text("x" * 1001, max_chars=1000)


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


def test_what_spans_say_in_short() -> None:
    none = Spans(())
    assert (none.label, none.score, none.margin) == ("", None, None)


# --- parameters -----------------------------------------------------------------------------------

PARAMS = (
    Param(name="top_k", title="", default=5, minimum=1, maximum=50),
    Param(name="heat", title="", default=0.5, minimum=0, maximum=2),
    Param(name="strict", title="", default=False),
    Param(name="way", title="", default="a", choices=("a", "b")),
    Param(name="names", title="Names", default=("x",), maximum=3),
    Param(name="free", title="Free", default=""),
)


def test_what_is_not_given_is_the_owners_value_or_the_tasks() -> None:
    values = checked(PARAMS, {"top_k": 7}, defaults={"top_k": 8, "way": "b"})
    assert values == {
        "top_k": 7,
        "heat": 0.5,
        "strict": False,
        "way": "b",
        "names": ["x"],
        "free": "",
    }


def test_whole_numbers_are_numbers_and_names_are_tidied() -> None:
    values = checked(PARAMS, {"heat": 1, "names": [" b ", "", "a", "b"]}, defaults={})
    assert (values["heat"], values["names"]) == (1.0, ["b", "a"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nope": 1}, "no parameter 'nope'; it has top_k, heat, strict"),
        ({"top_k": 0}, "top_k is 0; it must be a whole number from 1 to 50"),
        ({"top_k": 1.5}, "top_k is 1.5; it must be a whole number"),
        ({"top_k": True}, "top_k is True; it must be a whole number"),
        ({"heat": float("nan")}, "heat is nan; it must be a number from 0 to 2"),
        ({"strict": 1}, "strict is 1; it must be true or false"),
        ({"way": "c"}, "way is 'c'; it must be a or b"),
        ({"way": 3}, "way is 3; it must be a text"),
        ({"names": "abc"}, "names is 'abc'; it must be a list of texts"),
        ({"names": [1]}, "it must be a list of texts"),
        ({"names": [" "]}, "Names: 0 given; name at least 1 and at most 3"),
        ({"names": list("abcd")}, "Names: 4 given"),
        ({"names": ["x" * 501]}, "one has 501 characters; each may have 500"),
        ({"free": "x" * 501}, "Free: 501 characters; at most 500"),
    ],
)
def test_a_wrong_parameter_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked(PARAMS, given, defaults={})


# --- outputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "output", "kind"),
    [
        ("text-classification", labels(("a", 1.0)), "label"),
        ("zero-shot-classification", labels(("a", 1.0)), "label"),
        ("text-classification", labels(("a", 1.0), multi_label=True), "labels"),
        ("fill-mask", labels(("a", 1.0)), "text"),
        ("token-classification", Spans(()), "spans"),
        ("text-generation", GeneratedText("a", 1, "end"), "text"),
        ("from the future", Spans(()), "spans"),
        ("fill-mask", Spans(()), "spans"),
        ("from the future", labels(("a", 1.0)), "label"),
    ],
)
def test_how_an_output_is_corrected(task: str, output: Any, kind: str) -> None:
    assert entry(task=task, output=output).prediction.answer_kind == kind


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        7,
        [],
        {},
        {"labels": [], "multi_label": True},
        [{"label": "a", "score": 2.0}],
        [{"label": "a", "score": float("nan")}],
        {"spans": [{"label": "a", "score": 0.5, "start": 3, "end": 2}]},
        {"spans": [{"label": "a", "score": 0.5, "start": -1, "end": 2}]},
        {"spans": [{"label": "a", "score": 0.5, "start": 0.5, "end": 2}]},
        {"text": 1, "tokens": 1, "finish": "end"},
        {"text": "a", "tokens": True, "finish": "end"},
        {"text": "a", "tokens": 1, "finish": "perhaps"},
    ],
)
def test_what_is_no_output_is_refused(wrong: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        output_from_json(wrong)


def test_an_output_comes_back_from_json() -> None:
    for output in (
        labels(("a", 0.5), ("b", 0.5)),
        labels(("a", 0.5), multi_label=True),
        Spans(()),
        GeneratedText("", 0, "stopped"),
    ):
        assert output_from_json(output_to_json(output)) == output
