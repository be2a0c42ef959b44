"""The operations of OpenAI's API."""

from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from serving.formats.openai.answers import (
    CHAT,
    TEXT,
    ChatCompletion,
    ErrorBody,
    ModelsBody,
    TextCompletion,
    error_body,
    respond,
    whole,
)
from serving.formats.openai.requests import (
    ChatRequest,
    CompletionRequest,
    Unsupported,
    read_messages,
    read_params,
)
from serving.http import EVENT_SCHEMA, JSON, Format, Operation, json_response, parsed
from serving.service import Service, wants_log


def openai(service: Service) -> Format:
    """The format, with its operations on `service`."""

    async def chat(request: Request, body: bytes) -> Response:
        asked = await parsed(ChatRequest, request, body)
        _require_generator(service, asked.model)
        params = read_params(service.info, asked, max_completion_tokens=asked.max_completion_tokens)
        names = _param_names(service)
        if "chat" not in names:
            raise Unsupported(
                "model",
                f"The model {service.name!r} has no chat template. Send the text as prompt to "
                "/v1/completions.",
            )
        text, is_conversation = read_messages(asked.messages)
        params["chat"] = True
        if is_conversation or "messages" in names:
            params["messages"] = is_conversation
        progress = service.stream(text, params, log=wants_log(request.headers))
        return await respond(CHAT, service, asked, progress)

    async def complete(request: Request, body: bytes) -> Response:
        asked = await parsed(CompletionRequest, request, body)
        _require_generator(service, asked.model)
        params = read_params(service.info, asked)
        names = _param_names(service)  # the prompt is text to continue, not a message
        params |= {name: False for name in ("chat", "messages") if name in names}
        prompts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
        log = wants_log(request.headers)
        if len(prompts) == 1:
            progress = service.stream(prompts[0], params, log=log)
            return await respond(TEXT, service, asked, progress)
        if asked.stream:
            raise Unsupported("stream", f"stream takes a single prompt; there are {len(prompts)}.")
        predictions = await service.predict_all(prompts, params, log=log)
        return json_response(whole(TEXT, service, predictions, None))

    async def models(request: Request, body: bytes) -> Response:
        facts = {"created": service.created_s, "owned_by": "tryout"}
        listed = {"id": service.name, "object": "model"} | facts
        return json_response({"object": "list", "data": [listed]})

    def operation(
        path: str, handler: Any, summary: str, asked: type[BaseModel], answer: type[BaseModel]
    ) -> Operation:
        return Operation(
            method="POST",
            path=path,
            handler=handler,
            summary=summary,
            request=asked,
            responses={JSON: answer, "text/event-stream": EVENT_SCHEMA},
            statuses=(404, 422),
        )

    return Format(
        name="openai",
        error=error_body,
        error_schema=ErrorBody,
        operations=(
            operation(
                "/v1/chat/completions", chat, "Answer a conversation", ChatRequest, ChatCompletion
            ),
            operation(
                "/v1/completions", complete, "Continue texts", CompletionRequest, TextCompletion
            ),
            Operation(
                method="GET",
                path="/v1/models",
                handler=models,
                summary="The models: there is one",
                responses={JSON: ModelsBody},
            ),
        ),
    )


def _require_generator(service: Service, name: str) -> None:
    service.require_model(name)
    if not service.predictor.generates:
        raise Unsupported(
            "model",
            f"The task of the model {service.name!r} is {service.info.task}, and completions need "
            "text-generation. Use another format.",
        )


def _param_names(service: Service) -> set[str]:
    return {param.name for param in service.info.params}
