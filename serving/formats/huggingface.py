"""Hugging Face's task API, as huggingface_hub's InferenceClient speaks it.

https://huggingface.co/docs/inference-providers/tasks/index has requests and answers of each task.
Ids and log probabilities of tokens are null: a predictor has neither.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, assert_never, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import Request
from starlette.responses import Response

from errors import TryoutError
from model import GeneratedText, InputError, ModelInfo, Prediction, ScoredLabels, Spans
from model.generation import Grown
from model.prediction import Finish
from serving.asking import Progress
from serving.bodies import Body, ErrorBody, Params, TextOrTexts, without_nulls
from serving.errors import Refused
from serving.http import (
    EVENT_SCHEMA,
    Format,
    Operation,
    json_response,
    parsed,
    sse,
    sse_response,
)
from serving.service import Service, wants_log

CHANGE_NOTHING = (
    "decoder_input_details",
    "watermark",
)  # of text generation: no output depends on it
FINISH: Mapping[Finish, str] = {
    "end": "eos_token",
    "length": "length",
    "stopped": "stop_sequence",
}


class TaskRequest(Body):
    """A text or several, with the parameters of the task; `options` change nothing here."""

    inputs: TextOrTexts
    parameters: Params = None
    options: dict[str, JsonValue] | None = None
    stream: bool = False


class Label(BaseModel):
    label: str
    score: float


class Entity(BaseModel):
    entity_group: str
    score: float
    word: str
    start: int
    end: int


class Fill(BaseModel):
    score: float
    token: None
    token_str: str
    sequence: str


class Details(BaseModel):
    finish_reason: str
    generated_tokens: int
    seed: int | None
    prefill: list[JsonValue]
    tokens: list[JsonValue]


class Generated(BaseModel):
    generated_text: str
    details: Details | None = None


Answers = (
    list[list[Label]]
    | list[Label]
    | list[Entity]
    | list[list[Entity]]
    | list[Fill]
    | list[list[Fill]]
    | list[Generated]
)


def huggingface(service: Service) -> Format:
    """The format, with its operations on `service`."""

    async def predict(request: Request, body: bytes) -> Response:
        if "id" in request.path_params:
            service.require_model(request.path_params["id"])
        asked = await parsed(TaskRequest, request, body)
        info, log = service.info, wants_log(request.headers)
        params, shaping = read_params(info, asked.parameters)
        if asked.stream:
            if not isinstance(asked.inputs, str):
                raise Refused("stream takes a single text as inputs.")
            if not service.predictor.generates:
                raise InputError(
                    f"The task {info.task} gives its output at once: leave out stream."
                )
            events = service.stream(asked.inputs, params, log=log)
            return await sse_response(_events(events, shaping))
        texts = [asked.inputs] if isinstance(asked.inputs, str) else asked.inputs
        predictions = await service.predict_all(texts, params, log=log)
        answers = [answer(prediction, info, shaping) for prediction in predictions]
        return json_response(_nested(answers, info, is_list=not isinstance(asked.inputs, str)))

    def operation(path: str, summary: str, *statuses: int) -> Operation:
        return Operation(
            method="POST",
            path=path,
            handler=predict,
            summary=summary,
            request=TaskRequest,
            responses={"application/json": Answers, "text/event-stream": EVENT_SCHEMA},
            statuses=(422, *statuses),
        )

    return Format(
        name="huggingface",
        error=lambda error: {"error": str(error)},
        error_schema=ErrorBody,
        operations=(
            operation("/api/predict", "Predict by Hugging Face's task API"),
            operation("/models/{id:path}", "The same, with the model's name or id", 404),
        ),
    )


class Shaping(BaseModel):
    """Parameters of the format that change the answer and not the prediction."""

    model_config = ConfigDict(extra="forbid", strict=True)

    top_k: Annotated[int, Field(ge=1)] | None = None
    ignore_labels: list[str] = ["O"]
    return_full_text: bool = False
    details: bool = False


def read_params(info: ModelInfo, given: Params) -> tuple[dict[str, Any], Shaping]:
    """The parameters of the prediction, and those of the answer.

    A null is a parameter left out. Raises InputError for a parameter that would change the output
    and that the model does not have.
    """
    params = without_nulls(given)
    shaping: dict[str, Any] = {}
    match info.task:
        case "text-classification":
            shaping = _taken(params, "top_k")
            _require_own_function(params)
        case "token-classification":
            shaping = _taken(params, "ignore_labels")
        case "text-generation":
            shaping = _taken(params, "return_full_text", "details")
            _taken(params, *CHANGE_NOTHING)
            _sample(params)
            if any(param.name == "chat" for param in info.params):
                params.setdefault("chat", False)  # the prompt is text to continue, not a message
        case _:
            pass
    try:
        return params, Shaping.model_validate(shaping)
    except ValueError as error:
        raise InputError(
            f"A parameter of the answer has a wrong value: {shaping!r:.80}."
        ) from error


def _taken(params: dict[str, Any], *names: str) -> dict[str, Any]:
    """Those parameters, which are no longer in `params`."""
    return {name: params.pop(name) for name in names if name in params}


def _require_own_function(params: dict[str, Any]) -> None:
    function = params.pop("function_to_apply", None)
    if function not in (None, "softmax", "sigmoid"):
        raise InputError(
            f"function_to_apply is {function!r:.80}; scores are probabilities here. Leave it out."
        )


def _sample(params: dict[str, Any]) -> None:
    """do_sample as a temperature: that of 0 takes the likeliest token each time."""
    sample = params.pop("do_sample", None)
    if sample is True:
        params.setdefault("temperature", 1.0)
    elif sample is False and params.get("temperature"):
        raise InputError(
            f"do_sample is false and temperature is {params['temperature']!r:.80}; leave out "
            "either."
        )


def answer(prediction: Prediction, info: ModelInfo, shaping: Shaping) -> list[dict[str, Any]]:
    """The answer to one text."""
    output, text = prediction.output, prediction.input
    match output:
        case ScoredLabels(items):
            if info.mask_token is not None:
                return [
                    {
                        "score": item.score,
                        "token": None,
                        "token_str": item.label,
                        "sequence": text.replace(info.mask_token, item.label.strip()),
                    }
                    for item in items
                ]
            return [{"label": item.label, "score": item.score} for item in items[: shaping.top_k]]
        case Spans(items):
            return [
                {
                    "entity_group": span.label,
                    "score": span.score,
                    "word": prediction.spanned[span.start : span.end],
                    "start": span.start,
                    "end": span.end,
                }
                for span in items
                if span.label not in shaping.ignore_labels
            ]
        case GeneratedText():
            generated = {"generated_text": _full(prediction, output, shaping)}
            return [generated | ({"details": _details(prediction)} if shaping.details else {})]
        case _:
            assert_never(output)


def _nested(
    answers: Sequence[list[dict[str, Any]]], info: ModelInfo, *, is_list: bool
) -> Sequence[Any]:
    """The answers in the nesting that pipelines have.

    A text for classification alone also gets a list of lists, and a generated text is the only item
    of its list.
    """
    if info.task == "text-generation" and is_list:
        return [generated for (generated,) in answers]
    return answers if is_list or info.task == "text-classification" else answers[0]


def _full(prediction: Prediction, output: GeneratedText, shaping: Shaping) -> str:
    return (prediction.input if shaping.return_full_text else "") + output.text


def _details(prediction: Prediction) -> dict[str, Any]:
    output = cast(GeneratedText, prediction.output)
    return {
        "finish_reason": FINISH[output.finish],
        "generated_tokens": output.tokens,
        "seed": prediction.params.get("seed"),
        "prefill": [],
        "tokens": [],
    }


async def _events(
    progress: AsyncGenerator[Progress | Prediction], shaping: Shaping
) -> AsyncGenerator[bytes]:
    """Events as text-generation-inference has them; an event is of one token or more."""
    so_far, index = "", 0
    try:
        async with aclosing(progress):
            async for event in progress:
                if isinstance(event, Grown) and len(event.text) > len(so_far):
                    index += 1
                    yield sse(_token(index, event.text[len(so_far) :]))
                    so_far = event.text
                elif isinstance(event, Prediction):
                    output = cast(GeneratedText, event.output)
                    rest = output.text[len(so_far) :]
                    last = {
                        "generated_text": _full(event, output, shaping),
                        "details": _details(event) if shaping.details else None,
                    }
                    yield sse(_token(index + 1, rest) | last)
    except TryoutError as error:
        if not index:
            raise
        yield sse({"error": str(error), "error_type": "generation"})


def _token(index: int, text: str) -> dict[str, Any]:
    return {
        "index": index,
        "token": {"id": None, "text": text, "logprob": None, "special": False},
        "generated_text": None,
        "details": None,
    }
