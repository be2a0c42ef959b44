"""Hugging Face's own client against the routes: all tasks, streams, and refusals."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from feedback import FeedbackLog
from model import GeneratedText, Model, ScoredLabels, Spans
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.service import listening, service_of

Served = tuple[Model, str]
MAKERS: dict[str, Callable[[Path], Path]] = {
    "text-classification": tiny.bert_classifier,
    "multi-label": tiny.multi_label_classifier,
    "zero-shot-classification": tiny.nli,
    "token-classification": tiny.bert_tagger,
    "fill-mask": tiny.bert_masked,
    "text-generation": tiny.gpt2,
}


def close(scores: Any) -> Any:
    """Equal to all scores within 1e-4."""
    return pytest.approx(scores, abs=1e-4)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Served]]:
    """A model of a task and the URL where it is served, made when it is asked for."""
    folder, made, open_now = tmp_path_factory.mktemp("served"), {}, []

    def serve(name: str) -> Served:
        if name not in made:
            model = Model(str(MAKERS[name](folder / name)), device="cpu")
            model.load()
            log = FeedbackLog(new_sqlite_log(folder / f"{name}.db"))
            context = listening(service_of(model, log))
            made[name] = (model, context.__enter__())
            open_now.append((context, model, log))
        return made[name]

    yield serve
    for context, model, log in open_now:
        context.__exit__(None, None, None)
        model.close()
        log.close()


@pytest.mark.parametrize("name", ["text-classification", "multi-label"])
def test_text_classification(served: Callable[[str], Served], name: str) -> None:
    model, url = served(name)
    text = "The battery lasts two days."
    answer = InferenceClient(f"{url}/api/predict").text_classification(text)
    output = model.predict([text])[0].output
    assert isinstance(output, ScoredLabels)
    assert [item.label for item in answer] == [item.label for item in output.items]
    expected = [item.score for item in output.items]
    assert [item.score for item in answer] == close(expected)
    best = InferenceClient(f"{url}/api/predict").text_classification(text, top_k=1)
    assert [item.label for item in best] == [output.items[0].label]


def test_zero_shot_classification(served: Callable[[str], Served]) -> None:
    model, url = served("zero-shot-classification")
    labels = ["billing", "praise", "weather"]
    answer = InferenceClient(f"{url}/api/predict").zero_shot_classification(
        "They charged me twice.", labels, multi_label=True
    )
    params = {"candidate_labels": labels, "multi_label": True}
    output = model.predict(["They charged me twice."], params)[0].output
    assert isinstance(output, ScoredLabels)
    assert [(item.label, close(item.score)) for item in output.items] == [
        (item.label, item.score) for item in answer
    ]


def test_token_classification(served: Callable[[str], Served]) -> None:
    model, url = served("token-classification")
    text = "Ada Lovelace was born in London."
    answer = InferenceClient(f"{url}/api/predict").token_classification(
        text, aggregation_strategy="simple"
    )
    output = model.predict([text])[0].output
    assert isinstance(output, Spans)
    assert output.items
    assert [
        (item.entity_group, item.word, item.start, item.end, item.score) for item in answer
    ] == [
        (span.label, text[span.start : span.end], span.start, span.end, close(span.score))
        for span in output.items
    ]


def test_fill_mask(served: Callable[[str], Served]) -> None:
    model, url = served("fill-mask")
    text = "The capital of [MASK] is Paris."
    answer = InferenceClient(f"{url}/api/predict").fill_mask(text, top_k=3)
    output = model.predict([text], {"top_k": 3})[0].output
    assert isinstance(output, ScoredLabels)
    assert [(item.token_str, item.score) for item in answer] == [
        (item.label, close(item.score)) for item in output.items
    ]
    assert answer[0].sequence == text.replace("[MASK]", output.items[0].label.strip())


def test_text_generation_whole_and_streamed(served: Callable[[str], Served]) -> None:
    model, url = served("text-generation")
    prompt = "Once upon a time"
    client = InferenceClient(f"{url}/api/predict")
    expected = model.predict([prompt], {"max_new_tokens": 12})[0].output
    assert isinstance(expected, GeneratedText)
    assert client.text_generation(prompt, max_new_tokens=12) == expected.text
    details = client.text_generation(prompt, max_new_tokens=12, details=True, return_full_text=True)
    assert details.generated_text == prompt + expected.text
    assert details.details
    assert details.details.generated_tokens == expected.tokens
    assert details.details.finish_reason == {"end": "eos_token"}.get(expected.finish, "length")
    pieces = list(client.text_generation(prompt, max_new_tokens=12, stream=True))
    assert "".join(pieces) == expected.text
    events = list(client.text_generation(prompt, max_new_tokens=12, stream=True, details=True))
    assert events[-1].generated_text == expected.text
    assert all(event.generated_text is None for event in events[:-1])


def test_several_texts_get_as_many_answers(served: Callable[[str], Served]) -> None:
    model, url = served("text-classification")
    texts = ["The screen is gorgeous.", "nobody answers", "They cancelled my order."]
    answers = httpx2.post(f"{url}/models/text-classification", json={"inputs": texts}).json()
    assert [[item["label"] for item in each] for each in answers] == [
        [item.label for item in prediction.output.items]  # type: ignore[union-attr]
        for prediction in model.predict(texts)
    ]


@pytest.mark.parametrize(
    ("name", "call", "status", "sentence"),
    [
        (
            "text-classification",
            lambda client: client.text_classification("  "),
            422,
            "There is no text to predict",
        ),
        (
            "text-classification",
            lambda client: client.text_classification("a", function_to_apply="none"),
            422,
            "function_to_apply is 'none'",
        ),
        (
            "fill-mask",
            lambda client: client.fill_mask("no gap here"),
            422,
            "The text has [MASK] 0 times",
        ),
        (
            "text-generation",
            lambda client: client.text_generation("Once", top_p=0.5),
            422,
            "no parameter 'top_p'",
        ),
        (
            "text-classification",
            lambda client: next(iter(client.text_generation("Once", stream=True))),
            422,
            "gives its output at once",
        ),
    ],
)
def test_a_refusal_is_the_sentence_that_a_page_shows(
    served: Callable[[str], Served],
    name: str,
    call: Callable[[InferenceClient], object],
    status: int,
    sentence: str,
) -> None:
    _, url = served(name)
    client = InferenceClient(f"{url}/api/predict")
    with pytest.raises(HfHubHTTPError) as raised:
        call(client)
    assert raised.value.response.status_code == status
    assert sentence in str(raised.value.response.read().decode())


def test_another_model_is_not_found(served: Callable[[str], Served]) -> None:
    model, url = served("text-classification")
    client = InferenceClient(f"{url}/models/owner/another")
    with pytest.raises(HfHubHTTPError) as raised:
        client.text_classification("a text")
    assert raised.value.response.status_code == 404
    assert "There is no model 'owner/another' here" in str(raised.value)
    answer = InferenceClient(f"{url}/models/{model.info.id}").text_classification("a text")
    assert answer[0].label
