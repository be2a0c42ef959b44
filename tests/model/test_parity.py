"""Each task on each architecture says what transformers' own pipeline says."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import pipeline

from model import GeneratedText, Model, Prediction, ScoredLabels, Spans
from tests.helpers import tiny

TEXTS = [
    "Ada Lovelace was born in London.",
    "Charles",
    "<b>Zürich</b> isn't Paris, or is it? 😀 naïve ﬁne",
    "  two days   and\n\tthe  screen ",
    "The battery lasts two days and Ada Lovelace wrote to Charles Babbage. " * 20,
    "Once upon a time there was a model that nobody had tried.",
]
LABELS = ("billing", "praise", "a technical problem")
SAME = 1e-5


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Model]]:
    """A tiny model by name, made, saved and loaded once."""
    models: dict[str, Model] = {}

    def load(name: str) -> Model:
        if name not in models:
            folder = tmp_path_factory.mktemp("tiny") / "model"
            models[name] = Model(str(tiny.MAKERS[name](folder)), device="cpu")
            models[name].load()
        return models[name]

    yield load
    for model in models.values():
        model.close()


def theirs(model: Model, **options: Any) -> Any:
    return pipeline(model.info.task, model=model.model_id, dtype=torch.float32, **options)


def single_and_batched(
    model: Model, texts: list[str], **params: Any
) -> list[tuple[str, Prediction]]:
    """Each text alone and all of them at once: both must be right."""
    alone = [model.predict([text], params)[0] for text in texts]
    return [*zip(texts, alone, strict=True), *zip(texts, model.predict(texts, params), strict=True)]


@pytest.mark.parametrize(
    "name",
    [
        "BERT",
        "DistilBERT",
        "RoBERTa",
        "DeBERTa-v3",
        "ModernBERT",
        "Llama classifier",
        "Llama without padding",
        "FNet",
        "multi-label",
        "one label",
    ],
)
def test_text_classification(loaded: Callable[[str], Model], name: str) -> None:
    model = loaded(name)
    assert model.info.task == "text-classification"
    reference = theirs(model, truncation=True)
    seen = set()
    for text, prediction in single_and_batched(model, TEXTS):
        expected = reference(text, top_k=None)
        assert isinstance(prediction.output, ScoredLabels)
        items = prediction.output.items
        assert [item.label for item in items] == [item["label"] for item in expected]
        assert [item.score for item in items] == pytest.approx(
            [item["score"] for item in expected], abs=SAME
        )
        assert prediction.truncated == (len(text) > 1000)
        seen.add(round(items[0].score, 4))
    assert len(seen) > 3, "a model that says the same of every text proves nothing"


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("labels", [LABELS, LABELS[:1]])
def test_zero_shot(
    loaded: Callable[[str], Model], labels: tuple[str, ...], multi_label: bool
) -> None:
    model = loaded("NLI")
    assert model.info.task == "zero-shot-classification"
    reference = theirs(model)
    params = {"candidate_labels": labels, "multi_label": multi_label}
    for text, prediction in single_and_batched(model, TEXTS, **params):
        expected = reference(text, candidate_labels=list(labels), multi_label=multi_label)
        assert isinstance(prediction.output, ScoredLabels)
        assert prediction.output.multi_label == (multi_label or len(labels) == 1)
        assert [item.label for item in prediction.output.items] == expected["labels"]
        assert [item.score for item in prediction.output.items] == pytest.approx(
            expected["scores"], abs=SAME
        )


def test_zero_shot_with_another_hypothesis(loaded: Callable[[str], Model]) -> None:
    model, template = loaded("NLI"), "The text speaks of {}."
    params = {"candidate_labels": LABELS, "hypothesis_template": template}
    (prediction,) = model.predict([TEXTS[0]], params)
    expected = theirs(model)(TEXTS[0], candidate_labels=list(LABELS), hypothesis_template=template)
    assert [item.score for item in prediction.output.items] == pytest.approx(  # type: ignore[union-attr]
        expected["scores"], abs=SAME
    )


@pytest.mark.parametrize("strategy", ["simple", "first", "average", "max"])
@pytest.mark.parametrize("name", ["BERT tagger", "XLM-R tagger"])
@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_token_classification(loaded: Callable[[str], Model], name: str, strategy: str) -> None:
    model = loaded(name)
    assert model.info.task == "token-classification"
    assert model.info.labels == ("PER", "LOC", "MISC")
    reference = theirs(model, aggregation_strategy=strategy)
    starts = set()
    for text, prediction in single_and_batched(model, TEXTS, aggregation_strategy=strategy):
        expected = reference(text)
        assert isinstance(prediction.output, Spans)
        spans = prediction.output.items
        assert [(s.label, s.start, s.end) for s in spans] == [
            (e["entity_group"], e["start"], e["end"]) for e in expected
        ]
        assert [s.score for s in spans] == pytest.approx([e["score"] for e in expected], abs=SAME)
        starts |= {s.start for s in spans}
    assert len(starts) > 5


@pytest.mark.parametrize("top_k", [1, 5, 50])
def test_fill_mask(loaded: Callable[[str], Model], top_k: int) -> None:
    model = loaded("BERT MLM")
    assert model.info.task == "fill-mask"
    texts = [
        "[MASK]",
        "The capital of France is [MASK].",
        f"[MASK] {TEXTS[4]}",
        f"{TEXTS[2]} [MASK]",
    ]
    reference = theirs(model, top_k=top_k, tokenizer_kwargs={"truncation": True})
    for text, prediction in single_and_batched(model, texts, top_k=top_k):
        expected = reference(text)
        assert isinstance(prediction.output, ScoredLabels)
        assert [i.score for i in prediction.output.items] == pytest.approx(
            [e["score"] for e in expected], abs=SAME
        )
        assert [i.label for i in prediction.output.items] == [e["token_str"] for e in expected]


@pytest.mark.parametrize("name", ["GPT-2", "Llama"])
@pytest.mark.filterwarnings("ignore")
def test_text_generation(loaded: Callable[[str], Model], name: str) -> None:
    model = loaded(name)
    assert model.info.task == "text-generation"
    reference = theirs(model)
    for text, prediction in single_and_batched(model, TEXTS, max_new_tokens=12):
        (expected,) = reference(
            text,
            max_new_tokens=12,
            do_sample=False,
            return_full_text=False,
            handle_long_generation="hole",
        )
        assert isinstance(prediction.output, GeneratedText)
        assert prediction.output.text == expected["generated_text"]
        assert prediction.output.tokens <= 12
        assert prediction.truncated or len(text) < 1000


def test_sampled_generation(loaded: Callable[[str], Model]) -> None:
    model = loaded("GPT-2")
    params = {"max_new_tokens": 12, "temperature": 0.9, "seed": 11}
    (prediction,) = model.predict(["Once upon"], params)
    torch.manual_seed(11)
    (expected,) = theirs(model)(
        "Once upon", max_new_tokens=12, do_sample=True, temperature=0.9, return_full_text=False
    )
    assert prediction.output.text == expected["generated_text"]  # type: ignore[union-attr]


def test_chat(tmp_path: Path) -> None:
    folder = tiny.llama(tmp_path / "chat", chat=True, max_tokens=256)
    model = Model(str(folder), device="cpu")
    model.load()
    (answer,) = model.predict(["Name a city."], {"max_new_tokens": 8})
    (raw,) = model.predict(["Name a city."], {"max_new_tokens": 8, "chat": False})
    messages = [{"role": "user", "content": "Name a city."}]
    (expected,) = theirs(model)(messages, max_new_tokens=8, do_sample=False)
    assert answer.output.text == expected["generated_text"][-1]["content"]  # type: ignore[union-attr]
    assert raw.output != answer.output
    conversation = [
        {"role": "system", "content": "You are brief."},
        *messages,
        {"role": "assistant", "content": "Paris"},
        {"role": "user", "content": "And a \N{SNOWMAN} one?"},
    ]
    params = {"max_new_tokens": 8, "messages": True}
    (answer,) = model.predict([json.dumps(conversation)], params)
    (expected,) = theirs(model)(conversation, max_new_tokens=8, do_sample=False)
    assert answer.output.text == expected["generated_text"][-1]["content"]  # type: ignore[union-attr]
    model.close()
