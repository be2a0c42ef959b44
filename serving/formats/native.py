"""Tryout's own format: all that a prediction holds, the facts of the model, ratings, streams.

The remote predictor (model/remote/tryout.py) speaks it.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue
from starlette.requests import Request
from starlette.responses import Response

from errors import TryoutError
from feedback import Rating
from model import Prediction, ScoredLabel, Span
from model.batching import Place
from model.generation import Grown
from model.prediction import output_to_json
from serving.asking import Progress, Result
from serving.bodies import Body, ErrorBody, Params, without_nulls
from serving.errors import Refused, status_of
from serving.http import (
    EVENT_SCHEMA,
    Format,
    Operation,
    json_response,
    parsed,
    sse,
    sse_response,
)
from serving.ratings import RatingRequest, id_from, rating_from
from serving.service import Service, wants_log

MAX_TIMEOUT_S = 3600.0


class PredictionsRequest(Body):
    """Texts to predict, with parameters of the model's task."""

    texts: Annotated[list[str], Field(min_length=1, fail_fast=True)]
    params: Params = None
    timeout_s: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)] = MAX_TIMEOUT_S
    stream: bool = False


class FitsRequest(Body):
    """Texts whose length is to be checked."""

    texts: Annotated[list[str], Field(min_length=1, fail_fast=True)]
    params: Params = None


class FitsBody(Body):
    """True for each text of which the model would read all."""

    fits: list[bool]


class LabelsBody(Body):
    labels: list[ScoredLabel]
    multi_label: Literal[True]


class SpansBody(Body):
    spans: list[Span]


class TextBody(Body):
    text: str
    tokens: int
    finish: Literal["end", "length", "stopped"]


class PredictionBody(Body):
    """A prediction; `stored` is true once it is in the feedback log.

    `read` is the text that the model read in place of the input, else null; `spans_of` names the
    text whose characters the spans of the output count.
    """

    id: UUID
    created_at: str
    task: str
    model_id: str
    model_revision: str
    runtime: str
    params: dict[str, JsonValue]
    input: str
    output: list[ScoredLabel] | LabelsBody | SpansBody | TextBody
    label: str
    score: float | None
    margin: float | None
    truncated: bool
    queue_ms: float
    inference_ms: float
    read: str | None
    spans_of: Literal["input", "read"]
    stored: bool


class FailedBody(ErrorBody):
    """A text that got no prediction, with the status that it would have had alone."""

    status: int


class PredictionsBody(Body):
    predictions: list[PredictionBody | FailedBody]


class ModelBody(Body):
    """The facts of the model, its name for clients, and the limits of a request."""

    model_config = ConfigDict(extra="allow")

    name: str
    id: str
    revision: str
    task: str
    labels: list[str]
    generates: bool
    limits: dict[str, float]


class RatingBody(Body):
    id: UUID
    prediction_id: UUID
    created_at: str
    reviewer: str
    verdict: Literal["up", "down"]
    correction: str
    comment: str


def native(service: Service) -> Format:
    """The format, with its operations on `service`."""

    async def predict(request: Request, body: bytes) -> Response:
        asked = await parsed(PredictionsRequest, request, body)
        params, log = without_nulls(asked.params), wants_log(request.headers)
        if asked.stream:
            if len(asked.texts) != 1:
                raise Refused(f"stream takes a single text; there are {len(asked.texts)}.")
            events = service.stream(asked.texts[0], params, log=log, timeout_s=asked.timeout_s)
            return await sse_response(_events(events))
        results = await service.predict(asked.texts, params, log=log, timeout_s=asked.timeout_s)
        return json_response({"predictions": [result_to_json(result) for result in results]})

    async def fits(request: Request, body: bytes) -> Response:
        asked = await parsed(FitsRequest, request, body)
        return json_response({"fits": await service.fits(asked.texts, without_nulls(asked.params))})

    async def find(request: Request, body: bytes) -> Response:
        entry, stored = await service.find(id_from(request.path_params["id"]))
        return json_response(prediction_to_json(entry.prediction, stored=stored))

    async def rate(request: Request, body: bytes) -> Response:
        prediction_id = id_from(request.path_params["id"])
        asked = await parsed(RatingRequest, request, body)
        entry, _ = await service.find(prediction_id)
        rating = rating_from(asked, entry.prediction)
        stored, is_new = await service.rate(rating)
        return json_response(_rating_to_json(stored), 201 if is_new else 200)

    async def model(request: Request, body: bytes) -> Response:
        return json_response(model_to_json(service))

    predictions = "/api/predictions"
    return Format(
        name="native",
        error=lambda error: {"error": str(error)},
        error_schema=ErrorBody,
        operations=(
            Operation(
                method="POST",
                path=predictions,
                handler=predict,
                summary="Predict texts",
                request=PredictionsRequest,
                responses={
                    "application/json": PredictionsBody,
                    "text/event-stream": EVENT_SCHEMA,
                },
                statuses=(422,),
            ),
            Operation(
                method="GET",
                path=predictions + "/{id}",
                handler=find,
                summary="A prediction by its id",
                responses={"application/json": PredictionBody},
                statuses=(404,),
            ),
            Operation(
                method="POST",
                path=predictions + "/{id}/ratings",
                handler=rate,
                summary="Rate a prediction",
                scope="rate",
                request=RatingRequest,
                answers=(200, 201),
                responses={"application/json": RatingBody},
                statuses=(404, 422),
            ),
            Operation(
                method="POST",
                path="/api/fits",
                handler=fits,
                summary="Texts that are within the model's limit of tokens",
                request=FitsRequest,
                responses={"application/json": FitsBody},
                statuses=(422,),
            ),
            Operation(
                method="GET",
                path="/api/model",
                handler=model,
                summary="The facts of the model",
                responses={"application/json": ModelBody},
            ),
        ),
    )


def result_to_json(result: Result) -> dict[str, Any]:
    """A prediction or the error of a text, as a value that JSON can hold."""
    if isinstance(result, Prediction):
        return prediction_to_json(result, stored=False)
    return {"error": str(result), "status": status_of(result).http}


def prediction_to_json(prediction: Prediction, *, stored: bool) -> dict[str, Any]:
    """All that the prediction holds, as a value that JSON can hold."""
    return {
        "id": str(prediction.id),
        "created_at": prediction.created_at.isoformat(),
        "task": prediction.task,
        "model_id": prediction.model_id,
        "model_revision": prediction.model_revision,
        "runtime": prediction.runtime,
        "params": dict(prediction.params),
        "input": prediction.input,
        "output": output_to_json(prediction.output),
        "label": prediction.label,
        "score": prediction.score,
        "margin": prediction.margin,
        "truncated": prediction.truncated,
        "queue_ms": prediction.queue_ms,
        "inference_ms": prediction.inference_ms,
        "read": prediction.read,
        "spans_of": prediction.spans_of,
        "stored": stored,
    }


def model_to_json(service: Service) -> dict[str, Any]:
    """The facts of the model, with its name and the limits of a request."""
    predictor, limits = service.predictor, service.limits
    info = predictor.info
    return asdict(info) | {
        "name": service.name_of(info.id),
        "generates": predictor.generates,
        "limits": {"max_chars": limits.max_chars, "max_texts": limits.max_texts},
    }


def _rating_to_json(rating: Rating) -> Mapping[str, Any]:
    return {
        "id": str(rating.id),
        "prediction_id": str(rating.prediction_id),
        "created_at": rating.created_at.isoformat(),
        "reviewer": rating.reviewer,
        "verdict": rating.verdict,
        "correction": rating.correction,
        "comment": rating.comment,
    }


async def _events(
    progress: AsyncGenerator[Progress | Prediction],
) -> AsyncGenerator[bytes]:
    """Events `place`, `text` and `prediction`, or `error` where the status is sent already.

    A `text` replaces the text so far from its character `at` on; `tokens` counts all of it.
    """
    so_far, has_begun = "", False
    try:
        async with aclosing(progress):
            async for event in progress:
                has_begun = True
                match event:
                    case Place(ahead, wait_s):
                        yield sse({"ahead": ahead, "wait_s": wait_s}, event="place")
                    case Grown(text, tokens):
                        at = _common(so_far, text)
                        grown = {"at": at, "text": text[at:], "tokens": tokens}
                        yield sse(grown, event="text")
                        so_far = text
                    case Prediction():
                        yield sse(prediction_to_json(event, stored=False), event="prediction")
    except TryoutError as error:
        if not has_begun:
            raise
        yield sse(result_to_json(error), event="error")


def _common(left: str, right: str) -> int:
    """The number of characters with which both begin."""
    if right.startswith(left):  # nearly always, and quickly said
        return len(left)
    pairs = enumerate(zip(left, right, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(left), len(right)))
