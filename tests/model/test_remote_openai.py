"""The answers of servers of OpenAI's API, as their sources and documents have them.

Each answer has the address of its source beside it; the servers here send nothing else.
"""

from typing import Any

import pytest

from model import GeneratedText, ModelError
from tests.helpers.scripted import answers, remote, scripted, sse

GENERATE: dict[str, Any] = {"api": "openai", "task": "text-generation"}


def chunk(text: str = "", finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]} | more


def usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens}


VLLM = [  # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    chunk() | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    chunk("the sky"),
    chunk("", "stop", usage=None),
    chunk() | {"choices": [], "usage": usage(5)},
]
LLAMA_CPP = [  # https://github.com/ggml-org/llama.cpp, tools/server/README.md
    chunk() | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]},
    chunk("the", system_fingerprint="b6123-1f0e"),
    chunk(" sky", system_fingerprint="b6123-1f0e"),
    chunk(system_fingerprint="b6123-1f0e")
    | {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]},
    chunk(system_fingerprint="b6123-1f0e")
    | {"choices": [], "usage": usage(5), "timings": {"predicted_n": 5}},
]
OLLAMA = [  # https://github.com/ollama/ollama, openai/openai.go
    chunk("the", system_fingerprint="fp_ollama"),
    chunk(" sky", system_fingerprint="fp_ollama"),
    chunk("", "stop", system_fingerprint="fp_ollama"),
]


@pytest.mark.parametrize(
    ("chunks", "output", "revision"),
    [
        (VLLM, GeneratedText("the sky", 5, "end"), "unknown-"),
        (LLAMA_CPP, GeneratedText("the sky", 5, "length"), "b6123-1f0e-"),
        (OLLAMA, GeneratedText("the sky", 2, "end"), "fp_ollama-"),
    ],
    ids=["vLLM", "llama.cpp", "Ollama"],
)
def test_a_chat_is_streamed(chunks: list[Any], output: GeneratedText, revision: str) -> None:
    models = {"object": "list", "data": [{"id": "Qwen/Qwen2.5-0.5B-Instruct", "object": "model"}]}
    with scripted() as server:
        answers(server, lambda body: sse(*chunks), models=(200, {}, models))
        with remote(server.url, **GENERATE, name="Qwen2.5-0.5B-Instruct") as there:
            prediction = there.submit("why", {"max_new_tokens": 9}).result(60)
            assert prediction.output == output
            assert prediction.model_id == there.info.id == "Qwen/Qwen2.5-0.5B-Instruct"
            assert prediction.model_revision == there.info.revision
            assert prediction.model_revision.startswith(revision)
        assert {path for path, _ in server.asked} == {"/v1/models", "/v1/chat/completions"}
        assert server.bodies[-1] == {
            "model": "Qwen/Qwen2.5-0.5B-Instruct",
            "messages": [{"role": "user", "content": "why"}],
            "max_tokens": 9,
            "temperature": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


def test_a_model_without_a_chat_template_continues_texts() -> None:
    models = {"object": "list", "data": [{"id": "gpt2", "max_model_len": 1024}]}
    # https://github.com/vllm-project/vllm, vllm/entrypoints/openai
    refusal = {
        "error": {
            "message": "default chat template is no longer allowed",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        }
    }
    text = {"object": "text_completion", "choices": [{"index": 0, "text": " sky"}]}
    last = {"object": "text_completion", "choices": [{"text": "", "finish_reason": "stop"}]}
    with scripted() as server:
        answers(
            server,
            lambda body: (400, {}, refusal) if "messages" in body else sse(text, last),
            models=(200, {}, models),
        )
        with remote(server.url, **GENERATE) as there:
            assert "chat" not in {param.name for param in there.info.params}
            assert there.info.max_tokens == 1024
            assert there.predict(["the"])[0].output == GeneratedText(" sky", 1, "end")
        assert server.bodies[-1]["prompt"] == "the"


def test_a_server_that_refuses_stream_options_or_does_not_stream() -> None:
    message = {"role": "assistant", "content": "the sky"}
    whole = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage(4)}
    with scripted() as server:
        answers(
            server,
            lambda body: (
                (422, {}, {"detail": [{"loc": ["body", "stream_options"], "msg": "extra field"}]})
                if "stream_options" in body
                else (200, {}, whole)
            ),
        )
        with remote(server.url, **GENERATE) as there:
            assert there.predict(["why"])[0].output == GeneratedText("the sky", 4, "end")
        assert sum("stream_options" in (body or {}) for body in server.bodies) == 1
        assert "model" not in server.bodies[-1], "there is no list, and no name"


def test_a_stream_that_ends_too_early_is_a_sentence() -> None:
    with scripted() as server:
        answers(
            server,
            lambda body: (
                sse(chunk("the"), done=False) if "why" in str(body) else sse(chunk("", "stop"))
            ),
        )
        with (
            remote(server.url, **GENERATE) as there,
            pytest.raises(ModelError, match="ended its answer before the text was whole"),
        ):
            there.submit("why").result(60)


def test_a_lone_surrogate_in_a_conversation_harms_no_other_text() -> None:
    """JSON can name half of a character, and a body in UTF-8 cannot hold it."""
    texts = [f'[{{"role": "user", "content": "{content}"}}]' for content in (r"\ud83d", "fine")]
    with scripted() as server:
        answers(server, lambda body: sse(chunk("sky"), chunk("", "stop")))
        with remote(server.url, **GENERATE) as there:
            predictions = there.predict(texts, {"messages": True})
            assert [prediction.input for prediction in predictions] == texts
        contents = {body["messages"][0]["content"] for body in server.bodies[-2:]}
        assert contents == {"\N{REPLACEMENT CHARACTER}", "fine"}
