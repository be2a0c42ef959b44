"""OpenAI's API over a real port: conversations, completions, streams, models, and refusals.

The bodies of requests are those of https://platform.openai.com/docs/api-reference/chat/create and
https://platform.openai.com/docs/api-reference/completions/create; OpenAI's own client is in
tests/clients.
"""

import json
from collections.abc import Iterator
from typing import Any, cast

import httpx2
import pytest
from pydantic import TypeAdapter

from feedback import FeedbackLog
from feedback.filters import Filter
from model import GeneratedText, Model, ModelError
from model.runtimes import TorchRuntime
from serving.formats.openai.answers import ChatCompletion, ErrorBody, ModelsBody, TextCompletion
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.growing import begins
from tests.helpers.service import listening, service_of
from tests.helpers.until import until

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
USER = {"role": "user", "content": "Name a city."}
CONVERSATION = [
    # https://platform.openai.com/docs/api-reference/chat/create#chat-create-messages
    {"role": "developer", "content": "You are a helpful assistant."},
    {"role": "user", "content": [{"type": "text", "text": "Name"}, {"type": "text", "text": "it"}]},
    {"role": "assistant", "content": "Paris", "refusal": None, "tool_calls": []},
    {"role": "user", "content": "And in Zürich?"},
]
AS_PREDICTED = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Name\nit"},
    {"role": "assistant", "content": "Paris"},
    {"role": "user", "content": "And in Zürich?"},
]


class Served:
    """A model, and a client of its service."""

    def __init__(self, model: Model, log: FeedbackLog, client: httpx2.Client) -> None:
        self.model, self.log, self.client = model, log, client

    def post(self, path: str, **body: Any) -> httpx2.Response:
        return self.client.post(path, content=json.dumps({"model": "model"} | body))

    def error(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        answer = self.post(path, **body)
        TypeAdapter(ErrorBody).validate_json(answer.content, strict=True)
        return answer.status_code, answer.json()["error"]

    def text(self, prompt: str, **params: Any) -> GeneratedText:
        (prediction,) = self.model.predict([prompt], params)
        assert isinstance(prediction.output, GeneratedText)
        return prediction.output

    def events(self, path: str, **body: Any) -> list[dict[str, Any]]:
        """The data of a stream, of which the last was [DONE]."""
        with self.client.stream("POST", path, json={"model": "model", "stream": True} | body) as it:
            assert it.status_code == 200, it.read()
            assert it.headers["content-type"].startswith("text/event-stream")
            parts = "".join(it.iter_text()).strip().split("\n\n")
        *data, done = [part.removeprefix("data: ") for part in parts]
        assert done == "[DONE]"
        return [json.loads(each) for each in data]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A model with a chat template."""
    folder = tmp_path_factory.mktemp("chat")
    yield from served(folder, tiny.llama(folder / "model", chat=True, max_tokens=1024))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A model without one, which reads 48 tokens."""
    folder = tmp_path_factory.mktemp("plain")
    yield from served(folder, tiny.gpt2(folder / "model"))


def served(folder: Any, saved: Any) -> Iterator[Served]:
    model, log = Model(str(saved), device="cpu"), FeedbackLog(new_sqlite_log(folder / "log.db"))
    model.load()
    service = service_of(model, log, max_texts=20)
    with listening(service) as url, httpx2.Client(base_url=url, timeout=60) as client:
        yield Served(model, log, client)
    model.close()
    log.close()


# --- chat -----------------------------------------------------------------------------------------


def test_a_message_of_a_user_is_predicted_as_it_is(chat: Served) -> None:
    answer = chat.post(CHAT, messages=[USER], max_tokens=12)
    TypeAdapter(ChatCompletion).validate_json(answer.content, strict=True)
    body, expected = answer.json(), chat.text(USER["content"], max_new_tokens=12)
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": expected.text, "refusal": None},
            "logprobs": None,
            "finish_reason": "length",
        }
    ]
    assert body["model"] == "model"
    prompt = chat.model.stream(USER["content"], {"max_new_tokens": 1}).prompt_tokens
    assert body["usage"] == {
        "prompt_tokens": prompt,
        "completion_tokens": 12,
        "total_tokens": 12 + (prompt or 0),
    }
    path = f"/api/predictions/{body['id'].removeprefix('chatcmpl-')}"
    assert chat.client.get(path).json()["input"] == USER["content"]


def test_a_conversation_is_predicted_by_the_template(chat: Served) -> None:
    body = chat.post(CHAT, messages=CONVERSATION, max_completion_tokens=12).json()
    text = json.dumps(AS_PREDICTED, ensure_ascii=False)
    expected = chat.text(text, max_new_tokens=12, messages=True)
    assert body["choices"][0]["message"]["content"] == expected.text
    assert expected.text != chat.text("And in Zürich?", max_new_tokens=12).text
    found = chat.client.get(f"/api/predictions/{body['id'].removeprefix('chatcmpl-')}").json()
    assert json.loads(found["input"]) == AS_PREDICTED
    assert found["params"]["messages"] is True


@pytest.mark.parametrize("tells_usage", [True, False])
def test_a_chat_is_streamed(chat: Served, tells_usage: bool) -> None:
    body = {"messages": [USER], "max_tokens": 300}
    options = {"include_usage": tells_usage}
    got = chat.events(CHAT, **body, stream_options=options)
    whole = chat.post(CHAT, **body).json()
    assert {each["object"] for each in got} == {"chat.completion.chunk"}
    assert len({(each["id"], each["created"], each["model"]) for each in got}) == 1
    if tells_usage:
        *got, last = got
        assert (last["choices"], last["usage"]) == ([], whole["usage"])
        assert all(each["usage"] is None for each in got)
    deltas = [each["choices"][0]["delta"] for each in got]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[-1] == {}
    assert len(deltas) > 3, "it came in parts"
    text = "".join(delta.get("content", "") for delta in deltas)
    expected = whole["choices"][0]["message"]["content"]
    assert len(text) == len(expected)
    assert begins(expected, text)
    reasons = [each["choices"][0]["finish_reason"] for each in got]
    assert reasons == [None] * (len(got) - 1) + ["length"]


def test_temperature_and_seed(chat: Served) -> None:
    def ask(**options: Any) -> str:
        body = chat.post(CHAT, messages=[USER], max_tokens=20, **options).json()
        return str(body["choices"][0]["message"]["content"])

    likeliest = chat.text(USER["content"], max_new_tokens=20).text
    assert ask() == ask(temperature=0) == ask(temperature=None, seed=7) == likeliest
    hot = chat.text(USER["content"], max_new_tokens=20, temperature=1.5, seed=7).text
    assert ask(temperature=1.5, seed=7) == hot != likeliest
    assert ask(temperature=1.5, seed=0) == ask(temperature=1.5, seed=0)
    assert ask(temperature=1.5) != ask(temperature=1.5)


def test_a_text_that_the_model_ends_stops(chat: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = chat.text(USER["content"], max_new_tokens=20)
    runtime = chat.model.loaded.runtime
    monkeypatch.setattr(runtime, "ends", lambda ids: True)
    body = chat.post(CHAT, messages=[USER], max_tokens=20).json()
    assert body["choices"][0]["message"]["content"] == expected.text
    assert body["choices"][0]["finish_reason"] == "stop"


def test_fields_that_change_nothing_are_taken(chat: Served) -> None:
    plain = chat.post(CHAT, messages=[USER], max_tokens=5).json()["choices"]
    answer = chat.post(
        CHAT,
        messages=[USER],
        max_tokens=5,
        max_completion_tokens=5,
        user="ada",
        metadata={"a": "b"},
        store=True,
        n=1,
        top_p=1,
        presence_penalty=0,
        frequency_penalty=0.0,
        logit_bias={},
        logprobs=False,
        stop=[],
        tools=[],
        tool_choice="auto",
        response_format={"type": "text"},
        modalities=["text"],
        service_tier="auto",
        safety_identifier="x",
        prompt_cache_key="x",
        seed=None,
        stream=False,
        stream_options=None,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"] == plain


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("top_p", 0.5),
        ("presence_penalty", 0.1),
        ("frequency_penalty", -1),
        ("stop", "END"),
        ("stop", ["END"]),
        ("logit_bias", {"50256": -100}),
        ("logprobs", True),
        ("logprobs", 0),
        ("top_logprobs", 3),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("tool_choice", "required"),
        ("functions", [{"name": "f"}]),
        ("response_format", {"type": "json_object"}),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "ash", "format": "mp3"}),
        ("reasoning_effort", "low"),
        ("verbosity", "high"),
        ("web_search_options", {}),
    ],
)
def test_fields_that_would_change_the_answer_are_refused(
    chat: Served, name: str, value: Any
) -> None:
    status, error = chat.error(CHAT, messages=[USER], **{name: value})
    assert status == 422
    assert error["message"].startswith(f"{name} is ")
    assert error["message"].endswith("it cannot be applied here. Leave it out.")
    assert (error["type"], error["param"]) == ("invalid_request_error", name)


@pytest.mark.parametrize(
    ("message", "param", "sentence"),
    [
        ({"role": "tool", "content": "x", "tool_call_id": "1"}, "role", "tools cannot be called"),
        ({"role": "user", "content": "x", "name": "Ada"}, "name", "cannot be applied here"),
        (
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "function"}]},
            "tool_calls",
            "cannot be applied here",
        ),
        (
            # https://platform.openai.com/docs/guides/images-vision
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
            "content",
            "has a part of the type 'image_url'; only texts are read",
        ),
    ],
)
def test_a_message_that_is_more_than_a_text_is_refused(
    chat: Served, message: dict[str, Any], param: str, sentence: str
) -> None:
    status, error = chat.error(CHAT, messages=[USER, message])
    assert (status, error["param"]) == (422, f"messages.1.{param}")
    assert error["message"].startswith(f"messages.1.{param}")
    assert sentence in error["message"]


@pytest.mark.parametrize(
    ("options", "param", "sentence"),
    [
        ({"max_tokens": 5000}, "max_tokens", "max_tokens is 5000; it must be from 1 to 512."),
        ({"max_completion_tokens": 0}, "max_completion_tokens", "max_completion_tokens is 0"),
        (
            {"max_tokens": 2, "max_completion_tokens": 3},
            "max_tokens",
            "max_tokens is 2 and max_completion_tokens is 3. Leave out either.",
        ),
        ({"temperature": 2.5}, None, "temperature is 2.5; it must be a number from 0 to 2"),
        ({"temperature": float("nan")}, None, "temperature is nan; it must be a number from 0"),
        ({"seed": -1}, None, "seed is -1"),
        ({"messages": [USER | {"content": "  "}]}, None, "There is no text to predict"),
        ({"messages": [USER | {"content": "x" * 10_001}]}, None, "has 10,001 characters"),
        ({"messages": [USER | {"content": "a b c " * 900}]}, None, "Shorten it, or ask for fewer"),
    ],
)
def test_values_out_of_bounds_are_refused(
    chat: Served, options: dict[str, Any], param: str | None, sentence: str
) -> None:
    status, error = chat.error(CHAT, **{"messages": [USER]} | options)
    assert (status, error["param"], error["code"]) == (422, param, None)
    assert sentence in error["message"]
    status, streamed = chat.error(CHAT, **{"messages": [USER], "stream": True} | options)
    assert (status, streamed) == (422, error)


def test_a_model_without_a_template_has_no_chat(plain: Served) -> None:
    status, error = plain.error(CHAT, messages=[USER])
    assert (status, error["param"]) == (422, "model")
    assert error["message"].startswith("The model 'model' has no chat template. Send the text as")


def test_a_model_that_does_not_generate_has_no_completions(
    model: Model, sqlite_log: FeedbackLog
) -> None:
    with listening(service_of(model, sqlite_log)) as url:
        for path, body in ((CHAT, {"messages": [USER]}), (TEXT, {"prompt": "a"})):
            answer = httpx2.post(url + path, json={"model": "bundled"} | body)
            assert answer.status_code == 422
            assert (
                "is text-classification, and completions need" in answer.json()["error"]["message"]
            )
        (listed,) = httpx2.get(f"{url}/v1/models").json()["data"]
        assert listed["id"] == "bundled"


def test_a_failure_in_a_stream_is_an_event(chat: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    generate: Any = cast(TorchRuntime, chat.model.loaded.runtime).generate

    def fail(*args: object, **options: object) -> None:
        raise MemoryError

    def fail_at_last(*args: object, **options: object) -> None:
        generate(*args, **options)
        raise MemoryError

    monkeypatch.setattr(chat.model.loaded.runtime, "generate", fail_at_last)
    body = {"model": "model", "messages": [USER], "max_tokens": 400, "stream": True}
    with chat.client.stream("POST", CHAT, json=body) as answer:
        assert answer.status_code == 200
        *parts, last = "".join(answer.iter_text()).strip().split("\n\n")
    assert parts
    error = json.loads(last.removeprefix("data: "))["error"]
    assert "there is not enough memory" in error["message"]
    assert error["type"] == "server_error"
    monkeypatch.setattr(chat.model.loaded.runtime, "generate", fail)
    status, error = chat.error(CHAT, messages=[USER], stream=True)
    assert (status, error["type"]) == (500, "server_error")


# --- completions ----------------------------------------------------------------------------------


def test_a_prompt_is_continued(chat: Served, plain: Served) -> None:
    for served_model in (chat, plain):
        params = {"chat": False} if served_model is chat else {}
        expected = served_model.text("Once upon", max_new_tokens=12, **params)
        answer = served_model.post(
            TEXT, prompt="Once upon", max_tokens=12, echo=False, best_of=1, suffix=""
        )
        TypeAdapter(TextCompletion).validate_json(answer.content, strict=True)
        body = answer.json()
        assert body["choices"] == [
            {
                "index": 0,
                "text": expected.text,
                "logprobs": None,
                "finish_reason": "length",
                "truncated": False,
            }
        ]
        assert body["id"].startswith("cmpl-")
        assert body["usage"]["completion_tokens"] == 12


def test_several_prompts_have_as_many_choices(plain: Served) -> None:
    prompts = ["Once upon", "The capital", "Ada"]
    body = plain.post(TEXT, prompt=prompts, max_tokens=6).json()
    assert [(each["index"], each["text"]) for each in body["choices"]] == [
        (i, plain.text(prompt, max_new_tokens=6).text) for i, prompt in enumerate(prompts)
    ]
    assert "usage" not in body, "not all of its numbers are known"
    assert plain.post(TEXT, prompt=["Ada"], max_tokens=6).json()["usage"]["completion_tokens"] == 6


def test_a_completion_is_streamed(plain: Served) -> None:
    body = {"prompt": "Once upon", "max_tokens": 20}
    got = plain.events(TEXT, **body, stream_options={"include_usage": True})
    whole = plain.post(TEXT, **body).json()
    *got, last = got
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    assert {each["object"] for each in got} == {"text_completion"}
    assert "".join(each["choices"][0]["text"] for each in got) == whole["choices"][0]["text"]
    reasons = [each["choices"][0]["finish_reason"] for each in got]
    assert reasons == [None] * (len(got) - 1) + ["length"]


def test_a_prompt_that_lost_its_beginning_says_so(plain: Served) -> None:
    body = plain.post(TEXT, prompt="far too long " * 30, max_tokens=6).json()
    assert body["choices"][0]["truncated"] is True
    assert body["usage"]["prompt_tokens"] == 48 - 6


@pytest.mark.parametrize(
    ("options", "status", "param", "sentence"),
    [
        ({"echo": True}, 422, "echo", "echo is True"),
        ({"best_of": 2}, 422, "best_of", "best_of is 2"),
        ({"suffix": "x"}, 422, "suffix", "suffix is 'x'"),
        ({"logprobs": 0}, 422, "logprobs", "logprobs is 0"),
        ({"prompt": ["a", "b"], "stream": True}, 422, "stream", "a single prompt; there are 2"),
        ({"prompt": ["a", " "]}, 422, None, "Text 2 of 2: There is no text"),
        ({"prompt": []}, 400, None, "prompt"),
        ({"prompt": [[1, 2]]}, 400, None, "prompt"),
        ({"prompt": ["a"] * 21}, 413, None, "21 texts in a request; the limit is 20"),
        ({"max_completion_tokens": 2}, 400, None, "max_completion_tokens"),
    ],
)
def test_a_completion_that_cannot_be(
    plain: Served, options: dict[str, Any], status: int, param: str | None, sentence: str
) -> None:
    got, error = plain.error(TEXT, **{"prompt": "a"} | options)
    assert (got, error["param"], sentence in error["message"]) == (status, param, True), error


# --- models and malformed requests ----------------------------------------------------------------


def test_the_model_is_listed(chat: Served) -> None:
    answer = chat.client.get("/v1/models")
    TypeAdapter(ModelsBody).validate_json(answer.content, strict=True)
    (listed,) = answer.json()["data"]
    assert listed["id"] == "model"
    assert chat.client.get("/v1/models/model").json().items() >= listed.items()


def test_another_model_is_not_found(chat: Served) -> None:
    for path, body in ((CHAT, {"messages": [USER]}), (TEXT, {"prompt": "a"})):
        status, error = chat.error(path, **{"model": "gpt-4o"} | body)
        assert status == 404
        assert error == {
            "message": "There is no model 'gpt-4o' here. This is 'model'.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
        assert chat.post(path, **{"model": chat.model.info.id} | body).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 400, "not valid JSON"),
        (b"[" * 5_000_000, 400, "not valid JSON"),
        (b'{"model": "model", "metadata": ' + b'{"a":' * 100_000, 400, "not valid JSON"),
        (b'{"model": "model", "messages": [{"role": "user", "content": "\xff"}]}', 400, "JSON"),
        (b'{"model": "model", "messages": []}', 400, "messages: "),
        (b'{"model": "model", "messages": "a"}', 400, "messages: "),
        (b'{"model": "model", "messages": [' + b"1," * 3_000_000 + b"1]}", 400, "messages.0: "),
        (b'{"model": "model", "messages": [{"role": "king", "content": "a"}]}', 400, "0.role: "),
        (b'{"model": "model", "messages": [{"role": "user", "content": 1}]}', 400, "content"),
        (b'{"messages": [{"role": "user", "content": "a"}]}', 400, "model: "),
        (b'{"model": "model", "messages": [{"role": "user"}], "colour": 1}', 400, "colour: "),
        (b'{"model": "model", "messages": [], "temperature": NaN}', 400, "messages: "),
        (b'{"model": "model", "messages": [{"role": "user"}], "seed": 1e400}', 400, "seed: "),
        (b'{"model": "' + b"a" * 11_000_000 + b'"}', 413, "more than 10,000,000 bytes"),
    ],
)
def test_a_malformed_request_is_a_sentence(
    chat: Served, body: bytes, status: int, sentence: str
) -> None:
    answer = chat.client.post(CHAT, content=body, headers={"Content-Type": "application/json"})
    TypeAdapter(ErrorBody).validate_json(answer.content, strict=True)
    error = answer.json()["error"]
    assert (answer.status_code, sentence in error["message"]) == (status, True), error
    assert (error["type"], error["code"]) == ("invalid_request_error", None)


def test_the_errors_of_http_have_the_same_body(chat: Served) -> None:
    for answer, status in (
        (chat.client.get(CHAT), 405),
        (chat.client.post("/v1/models", json={}), 405),
        (chat.client.post(TEXT, content="a", headers={"Content-Type": "text/plain"}), 415),
    ):
        assert answer.status_code == status
        TypeAdapter(ErrorBody).validate_json(answer.content, strict=True)


def test_an_overload_says_when_to_come_back(chat: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.model._queue, "_max_items", 0)
    answer = chat.post(CHAT, messages=[USER])
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(answer.headers["retry-after"]) >= 1


def test_texts_are_not_stored_for_who_asks_so(chat: Served) -> None:
    def ask(text: str, **headers: str) -> None:
        for stream in (False, True):
            body = {"messages": [{"role": "user", "content": text}], "max_tokens": 2}
            asked = {"model": "model", "stream": stream} | body
            assert chat.client.post(CHAT, json=asked, headers=headers).status_code == 200

    def stored() -> list[str]:
        rows = chat.log.page(Filter(), offset=0, limit=1000)
        return [entry.prediction.input for entry, _ in rows]

    ask("a secret", **{"X-Tryout-Log": "no"})
    ask("no secret")
    until(lambda: stored().count("no secret") == 2)
    assert "a secret" not in stored()


def test_a_generator_fails_as_a_model_does(chat: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise ModelError("The model 'x' failed.")

    monkeypatch.setattr(chat.model, "stream", fail)
    status, error = chat.error(CHAT, messages=[USER])
    assert (status, error["message"], error["type"]) == (
        500,
        "The model 'x' failed.",
        "server_error",
    )
