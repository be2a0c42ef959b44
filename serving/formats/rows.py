"""Rows and columns in JSON, as Google Vertex AI, TensorFlow Serving and KServe's v1 have them.

https://www.tensorflow.org/tfx/serving/api_rest,
https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements,
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol. A prediction
has these fields:

- `label`: the label with the highest score, or "" (a generated text has no label);
- `score`: its probability, or null for a text without a score (generated, or without spans);
- `output`: the whole output, in the form of the export;
- `truncated`: true if the text was longer than the model reads, and was cut.

`instances` get a list of predictions; `inputs`, TensorFlow Serving's columns, a list for each
field. A text that fails fails the request, whose error has its number. The version of a model is
its revision.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag
from starlette.requests import Request
from starlette.responses import Response

from model import Prediction
from serving.bodies import ErrorBody, Params, Row, row_of, text_or_object, without_nulls
from serving.errors import Malformed, Refused
from serving.http import JSON, Format, Operation, json_response, parsed
from serving.service import Service, wants_log

SIGNATURE = "serving_default"  # TensorFlow Serving's name of a model's only way to be called

FieldName = Literal["text", "inputs", "content"]


# A text, or an object with the text as its only field.
Instance = Annotated[
    Annotated[str, Tag("=text")]
    | Annotated[dict[FieldName, str], Field(min_length=1, max_length=1), Tag("=object")],
    Discriminator(text_or_object),
]
Texts = Annotated[list[str], Field(min_length=1, fail_fast=True)]
Column = Annotated[
    Annotated[Texts, Tag("=text")]
    | Annotated[dict[FieldName, Texts], Field(min_length=1, max_length=1), Tag("=object")],
    Discriminator(text_or_object),
]


class RowsRequest(BaseModel):
    """Texts as rows or as a column, with parameters of the model's task."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}]},
    )

    instances: Annotated[list[Instance], Field(min_length=1, fail_fast=True)] = []
    inputs: Column = []
    parameters: Params = None
    signature_name: str = SIGNATURE


class RowsBody(BaseModel):
    predictions: list[Row]


class Columns(BaseModel):
    """The fields of a `Row`, each as a list; `read` and `spans_of` if a text of them has those."""

    label: list[str]
    score: list[float | None]
    output: list[JsonValue]
    truncated: list[bool]
    read: list[str | None] = []
    spans_of: list[Literal["input", "read"]] = []


class ColumnsBody(BaseModel):
    outputs: Columns


class HealthBody(BaseModel):
    status: str


def rows(service: Service) -> Format:
    """The format, with its operations on `service`."""
    versioned = "/v1/models/{name}/versions/{version}"
    return _format(
        _predicting(service, "/v1/models/{name}:predict", 404),
        _predicting(service, f"{versioned}:predict", 404),
        _health(service, "/health"),
    )


def vertex(service: Service, *, health_route: str = "", predict_route: str = "") -> Format:
    """The same operations on the routes that Vertex AI wants, where it names any."""
    operations = [_health(service, health_route)] if health_route else []
    if predict_route:
        operations.append(_predicting(service, predict_route))
    return _format(*operations)


def _format(*operations: Operation) -> Format:
    return Format(
        name="rows",
        error=lambda error: {"error": str(error)},
        error_schema=ErrorBody,
        operations=operations,
    )


def _predicting(service: Service, path: str, *statuses: int) -> Operation:
    """The operation that predicts; a path may name the model, and its version."""

    async def predict(request: Request, body: bytes) -> Response:
        if request.path_params:
            service.require_model(**request.path_params)
        asked = await parsed(RowsRequest, request, body)
        texts, encoded = _texts(asked)
        if asked.signature_name != SIGNATURE:
            raise Refused(
                f"signature_name is {asked.signature_name[:80]!r}; "
                f"there is {SIGNATURE!r} only. Leave it out."
            )
        params, log = without_nulls(asked.parameters), wants_log(request.headers)
        version = request.path_params.get("version")
        predictions = await service.predict_all(texts, params, log=log, version=version)
        return json_response(encoded(predictions))

    return Operation(
        method="POST",
        path=path,
        handler=predict,
        summary="Predict rows or columns",
        request=RowsRequest,
        responses={JSON: RowsBody | ColumnsBody},
        statuses=(*statuses, 422),
    )


def _health(service: Service, path: str) -> Operation:
    async def health(request: Request, body: bytes) -> Response:
        service.require_ready()
        return json_response({"status": "ready"})

    return Operation(
        method="GET",
        path=path,
        handler=health,
        summary="200 once the model is loaded",
        scope=None,
        responses={JSON: HealthBody},
    )


def _texts(asked: RowsRequest) -> tuple[list[str], Callable[[list[Prediction]], Any]]:
    """The texts of a request, and the function that encodes their predictions.

    Raises Malformed unless there are either rows or a column.
    """
    if bool(asked.instances) == bool(asked.inputs):
        raise Malformed("Send either instances or inputs.")
    if asked.instances:
        return [_only(row) if isinstance(row, dict) else row for row in asked.instances], _as_rows
    column = asked.inputs
    return _only(column) if isinstance(column, dict) else column, _as_columns


def _only(fields: dict[Any, Any]) -> Any:
    (value,) = fields.values()
    return value


def _as_rows(predictions: list[Prediction]) -> Any:
    return {"predictions": [row_of(prediction) for prediction in predictions]}


def _as_columns(predictions: list[Prediction]) -> Any:
    items = [row_of(prediction) for prediction in predictions]
    names = dict.fromkeys(name for item in items for name in item)
    default = {name: Row.model_fields[name].default for name in names}
    return {"outputs": {name: [item.get(name, default[name]) for item in items] for name in names}}
