"""The answers of OpenAI's API: completions, whole and in parts, and errors."""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import BaseModel
from starlette.responses import Response

from errors import TryoutError
from model import GeneratedText, Prediction
from model.generation import Grown
from model.prediction import Finish, new_id
from serving.asking import Begun, Progress, Prompt
from serving.errors import NotFound, status_of
from serving.formats.openai.requests import GenerateRequest, Unsupported
from serving.http import json_response, sse, sse_response
from serving.service import Service

FINISH: Mapping[Finish, str] = {"end": "stop", "length": "length", "stopped": "stop"}
CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
DONE = b"data: [DONE]\n\n"


class ErrorParts(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    error: ErrorParts


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Answer(BaseModel):
    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(BaseModel):
    index: int
    message: Answer
    logprobs: None
    finish_reason: Literal["stop", "length"]


class TextChoice(BaseModel):
    """`truncated`, which OpenAI does not have, is true if the prompt lost its beginning."""

    index: int
    text: str
    logprobs: None
    finish_reason: Literal["stop", "length"]
    truncated: bool


class CompletionBody(BaseModel):
    id: str
    created: int
    model: str
    system_fingerprint: str
    usage: Usage | None = None


class ChatCompletion(CompletionBody):
    object: Literal["chat.completion"]
    choices: list[ChatChoice]


class TextCompletion(CompletionBody):
    object: Literal["text_completion"]
    choices: list[TextChoice]


class ModelBody(BaseModel):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelsBody(BaseModel):
    object: Literal["list"]
    data: list[ModelBody]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of completion: the prefix of its ids, and its objects, whole and in parts."""

    prefix: str
    whole: str
    part: str


CHAT = Kind("chatcmpl-", "chat.completion", "chat.completion.chunk")
TEXT = Kind("cmpl-", "text_completion", "text_completion")


async def respond(
    kind: Kind,
    service: Service,
    asked: GenerateRequest,
    progress: AsyncGenerator[Progress | Prediction],
) -> Response:
    if asked.stream:
        return await sse_response(_events(kind, service, asked, progress))
    prompt_tokens: int | None = None
    async with aclosing(progress):
        async for event in progress:
            if isinstance(event, Prompt):
                prompt_tokens = event.tokens
            elif isinstance(event, Prediction):
                prediction = event
    return json_response(whole(kind, service, [prediction], prompt_tokens))


def whole(
    kind: Kind, service: Service, predictions: Sequence[Prediction], prompt_tokens: int | None
) -> dict[str, Any]:
    """The completion of each prompt; its id is that of the first prediction in the log."""
    first = predictions[0]
    head = _head(service, first.model_id, first.model_revision)
    body = head | {
        "id": kind.prefix + str(first.id),
        "object": kind.whole,
        "created": int(first.created_at.timestamp()),
        "choices": [_choice(kind, i, made) for i, made in enumerate(predictions)],
    }
    usage = _usage(first, prompt_tokens)
    return body | ({"usage": usage} if usage else {})


def _head(service: Service, model_id: str, revision: str) -> dict[str, Any]:
    return {"model": service.name_of(model_id), "system_fingerprint": revision}


def _choice(kind: Kind, index: int, prediction: Prediction) -> dict[str, Any]:
    output = cast(GeneratedText, prediction.output)
    common = {"index": index, "logprobs": None, "finish_reason": FINISH[output.finish]}
    if kind is CHAT:
        message = {"role": "assistant", "content": output.text, "refusal": None}
        return common | {"message": message}
    return common | {"text": output.text, "truncated": prediction.truncated}


def _usage(prediction: Prediction, prompt_tokens: int | None) -> dict[str, int] | None:
    if prompt_tokens is None:
        return None
    tokens = cast(GeneratedText, prediction.output).tokens
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": tokens,
        "total_tokens": prompt_tokens + tokens,
    }


async def _events(
    kind: Kind,
    service: Service,
    asked: GenerateRequest,
    progress: AsyncGenerator[Progress | Prediction],
) -> AsyncGenerator[bytes]:
    """A part for each growth of the text; the parts have an id of their own."""
    head: dict[str, Any] = {
        "id": f"{kind.prefix}{new_id()}",
        "object": kind.part,
        "created": int(time.time()),
    }
    if asked.tells_usage:
        head["usage"] = None

    def part(text: str, finish: str | None = None, **delta: str) -> bytes:
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finish}
        if kind is CHAT:
            choice["delta"] = delta | ({"content": text} if text or delta else {})
        else:
            choice["text"] = text
        return sse(head | {"choices": [choice]})

    so_far, has_begun, prompt_tokens = "", False, None
    try:
        async with aclosing(progress):
            async for event in progress:
                if isinstance(event, Begun):
                    head |= _head(service, event.info.id, event.info.revision)
                elif isinstance(event, Prompt):
                    prompt_tokens = event.tokens
                elif isinstance(event, Grown | Prediction):
                    if not has_begun and kind is CHAT:
                        yield part("", role="assistant")
                    has_begun = True
                    text = _text(event)
                    if len(text) > len(so_far):
                        yield part(text[len(so_far) :])
                        so_far = text
                if isinstance(event, Prediction):
                    yield part("", FINISH[cast(GeneratedText, event.output).finish])
                    usage = _usage(event, prompt_tokens)
                    if asked.tells_usage and usage:
                        yield sse(head | {"choices": [], "usage": usage})
        yield DONE
    except TryoutError as error:
        if not has_begun:
            raise
        yield sse(error_body(error))


def _text(event: Grown | Prediction) -> str:
    if isinstance(event, Grown):
        return event.text
    return cast(GeneratedText, event.output).text


def error_body(error: TryoutError) -> dict[str, Any]:
    """The error as OpenAI's clients read it.

    https://platform.openai.com/docs/guides/error-codes
    """
    status = status_of(error).http
    param = "model" if isinstance(error, NotFound) else None
    return {
        "error": {
            "message": str(error),
            "type": "invalid_request_error" if status < 500 else "server_error",
            "param": error.param if isinstance(error, Unsupported) else param,
            "code": CODES.get(status),
        }
    }
