"""The requests of OpenAI's API: their fields, the parameters and the text that they stand for."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from model import ModelInfo
from serving.bodies import Body, Integer, TextOrTexts
from serving.errors import Refused

# Fields that would change the answer, each with the values that do not.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "presence_penalty": (0,),
    "reasoning_effort": (),
    "response_format": ({"type": "text"},),
    "stop": ("", []),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "top_p": (1,),
    "verbosity": (),
    "web_search_options": (),
}
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
SEED_OF_ZERO = 2**31 - 1  # with 0 a model draws a new seed each time, which OpenAI's 0 does not


class Unsupported(Refused):
    """A field of the request that cannot be applied; `param` is its name."""

    def __init__(self, param: str, sentence: str) -> None:
        super().__init__(sentence)
        self.param = param


class Part(BaseModel):
    """A part of a message; only texts are read."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: str
    text: str | None = None


class Message(BaseModel):
    """A message; fields beside role and content must be empty."""

    model_config = ConfigDict(extra="allow", strict=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | Annotated[list[Part], Field(fail_fast=True)] | None = None


class StreamOptions(BaseModel):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class GenerateRequest(Body):
    """The fields that both kinds of completions have."""

    model: str
    max_tokens: Integer | None = None
    temperature: float | None = None
    seed: Integer | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, JsonValue] | None = None
    logprobs: bool | Integer | None = None
    n: Integer | None = None
    presence_penalty: float | None = None
    stop: str | Annotated[list[str], Field(fail_fast=True)] | None = None
    top_p: float | None = None

    @property
    def tells_usage(self) -> bool:
        """True if a stream ends with the counts of tokens."""
        return bool(self.stream_options and self.stream_options.include_usage)


class CompletionRequest(GenerateRequest):
    """A prompt to continue, or several."""

    prompt: TextOrTexts
    best_of: Integer | None = None
    echo: bool | None = None
    suffix: str | None = None


class ChatRequest(GenerateRequest):
    """A conversation to go on with, by the model's chat template."""

    messages: Annotated[list[Message], Field(min_length=1, fail_fast=True)]
    max_completion_tokens: Integer | None = None
    metadata: JsonValue = None
    parallel_tool_calls: bool | None = None
    prediction: JsonValue = None
    prompt_cache_key: str | None = None
    prompt_cache_options: JsonValue = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    audio: JsonValue = None
    function_call: JsonValue = None
    functions: JsonValue = None
    modalities: JsonValue = None
    moderation: JsonValue = None
    reasoning_effort: JsonValue = None
    response_format: JsonValue = None
    tool_choice: JsonValue = None
    tools: JsonValue = None
    top_logprobs: Integer | None = None
    verbosity: JsonValue = None
    web_search_options: JsonValue = None


def read_params(
    info: ModelInfo, asked: GenerateRequest, *, max_completion_tokens: Integer | None = None
) -> dict[str, Any]:
    """The parameters of the prediction; raises Unsupported for a field that cannot be applied."""
    for name, neutral in NEUTRAL.items():
        value = getattr(asked, name, None)
        if value is not None and not any(_is_same(value, each) for each in neutral):
            raise Unsupported(
                name, f"{name} is {value!r:.80}; it cannot be applied here. Leave it out."
            )
    tokens = asked.max_tokens if max_completion_tokens is None else max_completion_tokens
    if asked.max_tokens not in (None, tokens):
        raise Unsupported(
            "max_tokens",
            f"max_tokens is {asked.max_tokens} and max_completion_tokens is {tokens}. Leave out "
            "either.",
        )
    for limit in info.params:
        if limit.name != "max_new_tokens" or tokens is None:
            continue
        if not limit.minimum <= tokens <= limit.maximum:
            name = "max_tokens" if max_completion_tokens is None else "max_completion_tokens"
            raise Unsupported(
                name, f"{name} is {tokens}; it must be from {limit.minimum:g} to {limit.maximum:g}."
            )
    seed = SEED_OF_ZERO if asked.seed == 0 else asked.seed
    given = {"max_new_tokens": tokens, "temperature": asked.temperature, "seed": seed}
    return {name: value for name, value in given.items() if value is not None}


def _is_same(value: Any, neutral: Any) -> bool:
    """True for equal values; true and 1 are not."""
    return isinstance(value, bool) == isinstance(neutral, bool) and bool(value == neutral)


def read_messages(messages: Sequence[Message]) -> tuple[str, bool]:
    """The text to predict, and True if it is the JSON of a conversation.

    A single message of a user is predicted as it is, so that the log has what the user wrote.
    Raises Unsupported for a message that is more than a text.
    """
    read = [_message(f"messages.{i}", message) for i, message in enumerate(messages)]
    if len(read) == 1 and read[0]["role"] == "user":
        return read[0]["content"], False
    return json.dumps(read, ensure_ascii=False), True


def _message(place: str, message: Message) -> dict[str, str]:
    if message.role not in ROLES:
        raise Unsupported(
            f"{place}.role", f"{place}.role is {message.role!r}; tools cannot be called here."
        )
    for name, value in (message.model_extra or {}).items():
        if value not in (None, [], {}, ""):
            raise Unsupported(
                f"{place}.{name}", f"{place}.{name:.80} cannot be applied here. Leave it out."
            )
    parts = message.content
    if isinstance(parts, list):
        for part in parts:
            if part.type != "text" or part.text is None:
                raise Unsupported(
                    f"{place}.content",
                    f"{place}.content has a part of the type {part.type!r:.80}; only texts are "
                    "read here.",
                )
    texts = [part.text or "" for part in parts] if isinstance(parts, list) else [parts or ""]
    return {"role": ROLES[message.role], "content": "\n".join(texts)}
