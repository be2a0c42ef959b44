"""The answers of servers of Hugging Face's task API, as their sources and documents have them.

Each answer has the address of its source beside it; the servers here send nothing else.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from model import (
    GeneratedText,
    InputError,
    ModelBusy,
    ModelError,
    ModelLoadError,
    ModelUnreachable,
    ScoredLabels,
    Spans,
)
from model.remote import RemoteModel
from tests.helpers.scripted import Answer, answers, remote, scripted, sse

TEXTS = ["I love it.", "Nobody answers.", "It is a phone."]
LABELS = [{"label": "positive", "score": 0.9}, {"label": "negative", "score": 0.1}]
CLASSIFY: dict[str, Any] = {"api": "huggingface", "task": "text-classification"}


# --- pipelines: https://github.com/huggingface/huggingface-inference-toolkit, handler.py ----------


@pytest.mark.parametrize("wrapped", [lambda labels: labels, lambda labels: [labels]])
def test_labels_of_a_text_are_nested_or_not(wrapped: Callable[[Any], Any]) -> None:
    with scripted() as server:
        answers(
            server,
            lambda body: (
                200,
                {},
                wrapped(LABELS)
                if isinstance(body["inputs"], str)
                else [LABELS for _ in body["inputs"]],
            ),
        )
        with remote(f"{server.url}/a/b/", **CLASSIFY, token="secret") as there:
            assert there.info.labels == ("negative", "positive")
            assert there.info.id == f"{server.url[7:]}/a/b"
            assert there.predict(TEXTS[:1])[0].output.scores == {"positive": 0.9, "negative": 0.1}
            assert [made.label for made in there.predict(TEXTS)] == ["positive"] * 3
            assert len(server.asked) == 1 + 1 + 1 + 1, "facts, examples, a text, texts"
        assert [path for path, _ in server.asked] == ["/a/b/info", *["/a/b/"] * 3], "exactly"
        assert {headers["authorization"] for _, headers in server.asked} == {"Bearer secret"}
        assert server.bodies[-1] == {"inputs": TEXTS, "parameters": {"top_k": 10_000}}


@pytest.mark.parametrize(
    "of_a_list",
    [
        (200, {}, [LABELS]),  # of the first text alone
        (200, {}, LABELS[:1] * 3),  # the best label of each
        (400, {}, {"error": "inputs must be a string"}),
    ],
)
def test_a_server_that_answers_no_lists_gets_single_texts(of_a_list: Answer) -> None:
    with scripted() as server:
        answers(
            server,
            lambda body: (200, {}, LABELS) if isinstance(body["inputs"], str) else of_a_list,
        )
        with remote(server.url, **CLASSIFY) as there:
            assert [made.input for made in there.predict(TEXTS)] == TEXTS
            assert {made.label for made in there.predict(TEXTS)} == {"positive"}


def test_a_server_that_names_only_the_best_label_leaves_the_others_unknown() -> None:
    with scripted() as server:
        answers(server, lambda body: (200, {}, LABELS[:1]))
        with remote(server.url, **CLASSIFY) as there:
            assert there.info.labels == ()
            (prediction,) = there.predict(TEXTS[:1])
            assert prediction.output.scores == {"positive": 0.9}
            assert isinstance(prediction.output, ScoredLabels)
            assert not prediction.output.multi_label


def test_labels_whose_scores_do_not_sum_to_1_are_decided_each_by_itself() -> None:
    both = [{"label": "rude", "score": 0.9}, {"label": "angry", "score": 0.8}]
    with scripted() as server:
        answers(server, lambda body: (200, {}, [both]))
        with remote(server.url, **CLASSIFY) as there:
            output = there.predict(TEXTS[:1])[0].output
            assert isinstance(output, ScoredLabels)
            assert output.chosen == ("rude", "angry")


@pytest.mark.parametrize(
    "answer",
    [
        # https://huggingface.co/docs/inference-providers/tasks/zero-shot-classification
        [{"label": "praise", "score": 0.7}, {"label": "billing", "score": 0.3}],
        # https://github.com/huggingface/transformers, pipelines/zero_shot_classification.py
        {"sequence": "a", "labels": ["praise", "billing"], "scores": [0.7, 0.3]},
        [{"sequence": "a", "labels": ["praise", "billing"], "scores": [0.7, 0.3]}],
    ],
)
def test_zero_shot_labels_come_as_pairs_or_as_two_lists(answer: Any) -> None:
    with scripted() as server:
        answers(server, lambda body: (200, {}, answer))
        with remote(server.url, api="huggingface", task="zero-shot-classification") as there:
            params = {"candidate_labels": ["billing", "praise"]}
            (prediction,) = there.predict(["a"], params)
            assert prediction.output.scores == {"praise": 0.7, "billing": 0.3}
        assert server.bodies[-1]["parameters"] == {
            "candidate_labels": ["billing", "praise"],
            "multi_label": False,
            "hypothesis_template": "This example is {}.",
        }


@pytest.mark.parametrize("name", ["entity_group", "entity"])
def test_spans_come_with_groups_or_without(name: str) -> None:
    # https://huggingface.co/docs/inference-providers/tasks/token-classification
    span = {name: "PER", "score": 0.99, "word": "Ada", "start": 0, "end": 3}
    with scripted() as server:
        answers(server, lambda body: (200, {}, [span]))
        with remote(server.url, api="huggingface", task="token-classification") as there:
            output = there.predict(["Ada came."])[0].output
            assert isinstance(output, Spans)
            assert output.answer == frozenset({(0, 3, "PER")})
            with pytest.raises(ModelError, match="words from 0 to 3 are not in the text"):
                there.predict(["A"])


def test_the_mask_is_the_one_that_the_server_takes() -> None:
    # https://github.com/huggingface/transformers, pipelines/fill_mask.py
    filled = [{"score": 0.4, "token": 2201, "token_str": " Paris", "sequence": "in Paris"}]
    with scripted() as server:

        def answer(body: Any) -> Answer:
            if "<mask>" in body["inputs"]:
                return 200, {}, filled
            return 400, {}, {"error": "No mask_token (<mask>) found on the input"}

        answers(server, answer)
        with remote(server.url, api="huggingface", task="fill-mask") as there:
            assert there.info.mask_token == "<mask>"
            assert "<mask>" in there.info.examples[0].text
            assert there.predict(["in <mask>"], {"top_k": 1})[0].label == " Paris"


# --- text-embeddings-inference: its docs/openapi.json and router/src/http/types.rs ----------------

TEI = {
    "model_id": "cardiffnlp/twitter-roberta-base-sentiment-latest",
    "model_sha": "4ba3d4463bd152c9e4abd892b50844f30c646708",
    "model_dtype": "float16",
    "model_type": {
        "classifier": {
            "id2label": {"1": "positive", "0": "negative"},
            "label2id": {"negative": 0, "positive": 1},
        }
    },
    "max_concurrent_requests": 512,
    "max_input_length": 512,
    "max_batch_tokens": 16384,
    "max_client_batch_size": 2,
    "auto_truncate": True,
    "tokenization_workers": 4,
    "version": "1.8.2",
}
TOO_LONG = {
    "error": "Input validation error: `inputs` must have less than 512 tokens. Given: 600",
    "error_type": "Validation",
}


def test_text_embeddings_inference_is_known_by_its_info() -> None:
    with scripted() as server:

        def answer(body: Any) -> Answer:
            texts = body["inputs"]
            if not body["truncate"] and "long" in str(texts):
                return 413, {}, TOO_LONG
            return 200, {}, LABELS if isinstance(texts, str) else [LABELS] * len(texts)

        answers(server, answer, info=(200, {}, TEI))
        with remote(f"{server.url}/predict", **CLASSIFY) as there:
            info = there.info
            assert info.id == TEI["model_id"]
            assert info.revision == TEI["model_sha"]
            assert info.labels == ("negative", "positive")
            assert info.max_tokens == 512
            assert info.versions == {"text-embeddings-inference": "1.8.2"}
            predictions = there.predict([*TEXTS, "a long text"])
            assert [made.truncated for made in predictions] == [False, False, False, True]
            assert there.reads_all("short")
            assert not there.reads_all("a long text")
        asked = [body for body in server.bodies if body]
        lists = [body["inputs"] for body in asked if isinstance(body["inputs"], list)]
        assert [["I love it."], ["Nobody answers."]] in lists
        assert max(map(len, lists)) == 2, "max_client_batch_size is kept"
        assert {body["raw_scores"] for body in asked} == {False}


def test_a_text_embeddings_inference_that_embeds_is_refused() -> None:
    with scripted() as server:
        embeds = TEI | {"model_type": {"embedding": {"pooling": "cls"}}}
        answers(server, lambda body: (500, {}, {}), info=(200, {}, embeds))
        with pytest.raises(ModelLoadError, match=r"is for embedding, and model\.task is"):
            RemoteModel(server.url, **CLASSIFY).load()


@pytest.mark.parametrize("classifier", [{}, {"id2label": ["a"]}, {"id2label": {"x": "a"}}, None])
def test_an_info_of_another_form_is_a_sentence(classifier: Any) -> None:
    with scripted() as server:
        strange = TEI | {"model_type": {"classifier": classifier}}
        answers(server, lambda body: (200, {}, LABELS), info=(200, {}, strange))
        with pytest.raises(ModelLoadError, match=r"is not understood .*Check that model\.task"):
            RemoteModel(server.url, **CLASSIFY).load()


# --- text-generation-inference: docs/source/conceptual/streaming.md, docs/openapi.json ------------


def tgi(index: int, text: str, **more: Any) -> dict[str, Any]:
    token = {"id": index, "text": text, "logprob": -0.1, "special": text == "</s>"}
    return {"index": index, "token": token, "generated_text": None, "details": None} | more


def test_text_generation_inference_streams_tokens() -> None:
    details = {"finish_reason": "eos_token", "generated_tokens": 3, "seed": None}
    with scripted() as server:
        last = tgi(3, "</s>", generated_text="the sky", details=details)
        answers(server, lambda body: sse(tgi(1, "the"), tgi(2, " sky"), last, done=False))
        with remote(server.url, api="huggingface", task="text-generation") as there:
            params = {"max_new_tokens": 9, "temperature": 0.5, "seed": 7}
            output = there.submit("why", params).result(60).output
            assert output == GeneratedText("the sky", 3, "end")
        assert server.bodies[-1] == {
            "inputs": "why",
            "parameters": {
                "max_new_tokens": 9,
                "return_full_text": False,
                "do_sample": True,
                "temperature": 0.5,
                "seed": 7,
                "details": True,
            },
            "stream": True,
        }


def test_a_pipeline_gives_the_whole_text_and_refuses_details() -> None:
    # https://github.com/huggingface/transformers, generation/utils.py, _validate_model_kwargs
    refusal = "The following `model_kwargs` are not used by the model: ['details']"
    with scripted() as server:
        answers(
            server,
            lambda body: (
                (400, {}, {"error": refusal})
                if "details" in body["parameters"]
                else (200, {}, [{"generated_text": "the sky"}])
            ),
        )
        with remote(server.url, api="huggingface", task="text-generation") as there:
            assert there.predict(["why"] * 3)[2].output == GeneratedText("the sky", 0, "end")
        assert sum("details" in str(body) for body in server.bodies) == 1, "asked for once"


def test_an_error_within_a_stream_is_a_sentence() -> None:
    with scripted() as server:
        error = {"error": "Request failed during generation", "error_type": "generation"}
        answers(
            server,
            lambda body: (
                sse(tgi(1, "the"), error)
                if "why" in body["inputs"]
                else sse(tgi(1, "a", generated_text="a"))
            ),
        )
        with (
            remote(server.url, api="huggingface", task="text-generation") as there,
            pytest.raises(ModelError, match="broke off: Request failed during generation"),
        ):
            there.submit("why").result(60)


# --- errors ---------------------------------------------------------------------------------------

PAGE = b"<html><head><title>503</title></head><body><h1>Go away</h1></body></html>"


@pytest.mark.parametrize(
    ("status", "body", "kind", "sentence"),
    [
        (
            401,
            {"error": "Invalid credentials"},
            ModelError,
            "key: Invalid credentials. Set TRYOUT_",
        ),
        (403, PAGE, ModelError, "refuses the key: Forbidden. Set TRYOUT_MODEL__TOKEN"),
        (404, PAGE, ModelError, "status 404: Not Found. Check model.url and model.api"),
        (422, {"error": "too long", "error_type": "Validation"}, InputError, "too long."),
        (424, {"error": "backend"}, ModelError, "answered with status 424: backend."),
        (429, {"error": "Model is overloaded"}, ModelBusy, "Model is overloaded"),
        (500, PAGE, ModelError, "status 500: Internal Server Error."),
        (503, PAGE, ModelUnreachable, "Service Unavailable."),
        # https://github.com/huggingface/api-inference-community/issues/34
        (
            503,
            {"error": "Model a/b is currently loading", "estimated_time": 20.0},
            ModelUnreachable,
            r"Model a/b is currently loading. It takes about 20 s.",
        ),
        (400, {"error": ["one", "two"]}, InputError, "one two."),
        # https://github.com/ollama/ollama, server/routes.go
        (400, {"error": "model is required"}, InputError, "model is required."),
        (307, b"", ModelError, "redirects elsewhere"),
    ],
)
def test_an_error_is_a_sentence_and_no_markup(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: Any,
    kind: type[ModelError],
    sentence: str,
) -> None:
    monkeypatch.setattr("model.remote.connection.BACKOFF_S", (0.01,))
    with scripted() as server:
        answers(server, lambda asked: (200, {}, LABELS))
        with remote(server.url, **CLASSIFY, token="secret") as there:
            before = len(server.asked)
            server.answer = lambda path: (status, {"Location": "http://127.0.0.1:1/"}, body)
            with pytest.raises(kind, match=sentence) as raised:
                there.submit("a text").result(60)
            assert type(raised.value) is kind
            assert "<" not in str(raised.value)
            assert len(server.asked) - before == (2 if status in (429, 503) else 1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "there are no labels"),
        ([{"label": "a", "score": 3.2}], "score 3.2 is not a probability"),
        ([{"label": "a", "score": None}], "score None is not a number"),
        ([{"label": 1, "score": 0.5}], "there are no labels"),
        ({"generated_text": "x"}, "KeyError"),
        ("x", "not understood"),
        (PAGE, "answered a page, which is not JSON"),
    ],
)
def test_an_answer_of_another_form_names_the_settings(value: Any, reason: str) -> None:
    with scripted() as server:
        answers(server, lambda body: (200, {}, value))
        with pytest.raises(ModelLoadError, match=rf"cannot be used\. .*{reason}.*[Cc]heck .*model"):
            RemoteModel(server.url, **CLASSIFY).load()


def test_a_text_that_waits_too_long_is_given_up() -> None:
    with scripted() as server:
        answers(server, lambda body: (200, {}, LABELS))
        with remote(server.url, **CLASSIFY) as there:
            asked = server.answer
            server.answer = lambda path: (held.wait(60), asked(path))[1]
            held = threading.Event()
            with pytest.raises(ModelBusy, match="This text waited"):
                there.submit("a text", timeout_s=0.05).result(60)
            held.set()
