"""Which words speak for a label, on the bundled model and on tiny ones."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import Attribution, InputError, Model, Prediction, Weight, attribute, can_attribute
from model.attribution import MAX_VARIANTS, words
from model.prediction import ScoredLabels, attribution_from_json, attribution_to_json
from model.text import BLANK
from tests.helpers import tiny
from tests.helpers.entries import entry

MIXED = "The food was wonderful but the waiter was rude"
LONG = " ".join(tiny.CORPUS)


def predicted(model: Model, text: str, params: dict[str, Any] | None = None) -> Prediction:
    (prediction,) = model.predict([text], params)
    return prediction


def explained(
    model: Model, text: str, params: dict[str, Any] | None = None
) -> tuple[Attribution, dict[str, float]]:
    """The attribution, and its weights by the words they are of."""
    attribution = attribute(model, predicted(model, text, params))
    return attribution, {text[one.start : one.end]: one.weight for one in attribution.weights}


def score_of(prediction: Prediction, label: str) -> float:
    assert isinstance(prediction.output, ScoredLabels)
    return next(item.score for item in prediction.output.items if item.label == label)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Model]]:
    """Tiny models by their names in `tiny.MAKERS`."""
    models: dict[str, Model] = {}

    def load(name: str) -> Model:
        if name not in models:
            folder = tiny.MAKERS[name](tmp_path_factory.mktemp("models") / "model")
            models[name] = Model(str(folder), device="cpu")
            models[name].load()
        return models[name]

    yield load
    for one in models.values():
        one.close()


# --- what words weigh -----------------------------------------------------------------------------


def test_words_speak_for_the_label_or_against_it(model: Model) -> None:
    attribution, weights = explained(model, MIXED)
    assert attribution.label == "negative"
    assert attribution.words_each == 1
    assert max(weights, key=weights.__getitem__) == "rude"
    assert min(weights, key=weights.__getitem__) == "wonderful"
    assert weights["rude"] > 0.2 > 0 > weights["wonderful"]


@pytest.mark.parametrize(
    ("text", "label", "word"),
    [
        ("The battery lasts two days and the screen is gorgeous.", "positive", "gorgeous."),
        ("I do not like it at all.", "negative", "not"),
    ],
)
def test_the_word_that_decides_weighs_most(model: Model, text: str, label: str, word: str) -> None:
    attribution, weights = explained(model, text)
    assert attribution.label == label
    assert max(weights, key=weights.__getitem__) == word


@pytest.mark.parametrize(
    ("text", "variants"),
    [
        ("not so  bad", ["so  bad", "not bad", "not so"]),
        ("  Bad\nfood. ", ["  food. ", "  Bad "]),
        ("很好 ok", ["好 ok", "很ok", "很好"]),
    ],
)
def test_a_weight_is_what_the_label_loses_without_the_word(
    model: Model, text: str, variants: list[str]
) -> None:
    prediction = predicted(model, text)
    attribution, score = attribute(model, prediction), score_of(prediction, prediction.label)
    assert attribution.label == prediction.label
    assert [one.weight for one in attribution.weights] == [
        pytest.approx(score - score_of(variant, prediction.label), abs=1e-5)
        for variant in model.predict(variants)
    ]


def test_a_multi_label_model_explains_its_highest_label_even_if_it_does_not_apply(
    loaded: Callable[[str], Model],
) -> None:
    model = loaded("multi-label")
    prediction = next(
        one for one in model.predict(tiny.CORPUS) if one.score is not None and one.score < 0.5
    )
    assert isinstance(prediction.output, ScoredLabels)
    assert prediction.label == ""
    first, rest = prediction.input.split(" ", 1)
    attribution = attribute(model, prediction)
    label = prediction.output.items[0].label
    assert attribution.label == label
    without = score_of(predicted(model, rest), label)
    assert attribution.weights[0].end == len(first)
    assert attribution.weights[0].weight == pytest.approx(
        score_of(prediction, label) - without, abs=1e-5
    )


@pytest.mark.parametrize("multi_label", [False, True])
def test_zero_shot_keeps_the_visitors_labels(
    loaded: Callable[[str], Model], multi_label: bool
) -> None:
    model = loaded("NLI")
    labels = ["billing", "praise", "a problem"]
    params = {
        "candidate_labels": labels,
        "multi_label": multi_label,
        "hypothesis_template": "It is about {}.",
    }
    prediction = predicted(model, "Nobody answers the phone.", params)
    attribution = attribute(model, prediction)
    variant = predicted(model, "Nobody answers the", params)
    assert attribution.label in labels
    assert attribution.weights[-1].weight == pytest.approx(
        score_of(prediction, attribution.label) - score_of(variant, attribution.label), abs=1e-5
    )


# --- which words ----------------------------------------------------------------------------------


@given(st.text(st.characters() | st.sampled_from("ab \n\u200b很好ひかอั\u0301\ufe0f"), max_size=60))
def test_words_cover_all_that_is_not_blank_in_order(text: str) -> None:
    found = words(text)
    assert all(start < end for start, end in found)
    assert all(left[1] <= right[0] for left, right in pairwise(found))
    covered = {i for start, end in found for i in range(start, end)}
    for i, character in enumerate(text):
        assert i in covered or category(character) in BLANK
        assert not (character.isspace() and i in covered)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, co-op!", ["Don't", "stop,", "co-op!"]),
        ("我很喜欢iPhone。", ["我", "很", "喜", "欢", "iPhone。"]),
        ("コーヒーが好き", ["コーヒー", "が", "好", "き"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("खाना अच्छा", ["खाना", "अच्छा"]),
        ("葛\U000e0100城", ["葛\U000e0100", "城"]),
        ("a \u200b b", ["a", "b"]),
        ("\u200b\n", []),
    ],
)
def test_words_of_several_scripts(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in words(text)] == expected


@pytest.mark.parametrize("count", [2, MAX_VARIANTS, MAX_VARIANTS + 1, 2 * MAX_VARIANTS + 5])
def test_neighbours_go_together_within_the_budget(model: Model, count: int) -> None:
    text = " ".join("abcdefg"[n % 7] for n in range(count))
    prediction, before = predicted(model, text), model.counters.done
    attribution = attribute(model, prediction)
    assert model.counters.done - before == len(attribution.weights) + 1 <= MAX_VARIANTS + 1
    grouped = [text[one.start : one.end].split() for one in attribution.weights]
    assert [word for group in grouped for word in group] == text.split()
    assert {len(group) for group in grouped[:-1]} == {attribution.words_each}
    assert attribution.words_each == -(-count // MAX_VARIANTS)


@pytest.mark.parametrize(("labels", "weights"), [(1, 20), (5, 20), (10, 10), (34, 2), (100, 2)])
def test_the_rows_of_zero_shot_count(
    loaded: Callable[[str], Model], labels: int, weights: int
) -> None:
    params = {"candidate_labels": [f"label {n}" for n in range(labels)]}
    attribution, _ = explained(loaded("NLI"), "a model and " * 6 + "a city", params)
    assert len(attribution.weights) == weights


def test_of_a_text_that_is_cut_only_what_was_read_is_weighed(
    loaded: Callable[[str], Model],
) -> None:
    model = loaded("BERT")
    prediction = predicted(model, LONG)
    assert prediction.truncated
    attribution = attribute(model, prediction)
    read = prediction.input[: attribution.weights[-1].end]
    following = len(read) + len(prediction.input[len(read) :].split()[0]) + 1
    assert not predicted(model, read).truncated
    assert predicted(model, prediction.input[:following]).truncated
    variant = predicted(model, read[attribution.weights[1].start :])
    assert attribution.weights[0].weight == pytest.approx(
        score_of(predicted(model, read), attribution.label) - score_of(variant, attribution.label),
        abs=1e-5,
    )


def test_a_tokenizer_that_keeps_the_end_is_asked_about_the_end(tmp_path: Path) -> None:
    folder = tiny.bert_classifier(tmp_path / "model")
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"truncation_side": "left"}))
    model = Model(str(folder), device="cpu")
    model.load()
    attribution = attribute(model, predicted(model, LONG))
    start = attribution.weights[0].start
    assert start > 0
    assert attribution.weights[-1].end == len(LONG)
    assert not predicted(model, LONG[start:]).truncated
    assert predicted(model, LONG[LONG.rindex(" ", 0, start - 1) :]).truncated
    model.close()


# --- what cannot be explained ---------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Good", "  Good\n", "好", "Good \u200b"])
def test_one_word_alone_is_not_weighed(model: Model, text: str) -> None:
    prediction = predicted(model, text)
    assert not can_attribute(prediction)
    with pytest.raises(InputError, match="only one word"):
        attribute(model, prediction)


def test_a_first_word_that_fills_the_model_is_one_word(loaded: Callable[[str], Model]) -> None:
    prediction = predicted(loaded("RoBERTa"), "x" * 100 + " is good")
    assert prediction.truncated
    with pytest.raises(InputError, match="reads only one word"):
        attribute(loaded("RoBERTa"), prediction)


def test_another_models_prediction_must_be_predicted_anew(
    model: Model, loaded: Callable[[str], Model]
) -> None:
    other = predicted(loaded("BERT"), MIXED)
    assert can_attribute(other)
    with pytest.raises(InputError, match=r"at revision .* Predict the text anew"):
        attribute(model, other)


def test_other_tasks_have_no_label_to_explain(loaded: Callable[[str], Model]) -> None:
    for name, text in (("BERT MLM", "The capital of [MASK] is Paris."), ("BERT tagger", MIXED)):
        prediction = predicted(loaded(name), text)
        assert not can_attribute(prediction)
        with pytest.raises(InputError, match=f"The task of this prediction is {prediction.task}"):
            attribute(loaded(name), prediction)


def test_a_label_that_the_model_does_not_have_is_refused(model: Model) -> None:
    revision = model.info.revision
    changed = entry(MIXED, model_revision=revision).prediction
    assert attribute(model, changed).label == "positive"  # labels it has
    assert isinstance(changed.output, ScoredLabels)
    first, *rest = changed.output.items
    items = (dataclasses.replace(first, label="sad"), *rest)
    changed = dataclasses.replace(changed, output=ScoredLabels(items))
    with pytest.raises(InputError, match="no label 'sad'"):
        attribute(model, changed)


# --- JSON -----------------------------------------------------------------------------------------


@st.composite
def attributions(draw: st.DrawFn) -> Attribution:
    ends = draw(st.lists(st.integers(0, 10_000), min_size=2, max_size=40, unique=True))
    ends = sorted(ends)[: len(ends) // 2 * 2]
    weights = tuple(
        Weight(start, end, draw(st.floats(-1, 1)))
        for start, end in zip(ends[::2], ends[1::2], strict=True)
    )
    return Attribution(draw(st.text()), draw(st.integers(1, 99)), weights)


@given(attributions())
def test_json_gives_back_the_same(attribution: Attribution) -> None:
    written = json.dumps(attribution_to_json(attribution))
    assert attribution_from_json(json.loads(written)) == attribution


FINE: dict[str, Any] = {"label": "a", "words_each": 1, "weights": [[0, 3, 0.5], [3, 5, -0.5]]}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        FINE | {"label": 1},
        FINE | {"words_each": 0},
        FINE | {"words_each": True},
        FINE | {"words_each": 1.0},
        FINE | {"weights": []},
        FINE | {"weights": None},
        FINE | {"weights": ["abc"]},
        FINE | {"weights": [[0, 3]]},
        FINE | {"weights": [[0, 3, 0.5, 1]]},
        FINE | {"weights": [[0, 3, 1.5]]},
        FINE | {"weights": [[0, 3, float("nan")]]},
        FINE | {"weights": [[0, 3, 1]]},
        FINE | {"weights": [[3, 3, 0.5]]},
        FINE | {"weights": [[-1, 3, 0.5]]},
        FINE | {"weights": [[0.0, 3, 0.5]]},
        FINE | {"weights": [[0, 3, 0.5], [2, 5, 0.5]]},
        FINE | {"weights": [[3, 5, 0.5], [0, 3, 0.5]]},
    ],
)
def test_other_json_is_refused(wrong: Any) -> None:
    assert attribution_to_json(attribution_from_json(FINE)) == FINE
    with pytest.raises((ValueError, KeyError, TypeError)):
        attribution_from_json(wrong)
