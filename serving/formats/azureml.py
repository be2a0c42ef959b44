"""Azure ML's scoring route, as its images answer for MLflow models.

https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models has the requests, and
Azure's inference server the errors: https://github.com/microsoft/azureml-inference-server.
Its liveness probe is GET /, which is a page here; a deployment can name /api/live instead.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, JsonValue, Tag
from starlette.requests import Request
from starlette.responses import Response

from serving.bodies import Body, Params, Row, row_of, without_nulls
from serving.errors import Refused
from serving.http import JSON, Format, Operation, json_response, parsed
from serving.service import Service, wants_log

TEXT_COLUMNS = ("text", "input_string")  # the second is that of Azure's models from the Hub
Texts = Annotated[list[str], Field(min_length=1, fail_fast=True)]


class Frame(Body):
    """A pandas DataFrame in its split orientation; the texts are in the column `text`, or its only.

    `index` changes nothing.
    """

    columns: Texts
    index: list[JsonValue] | None = None
    data: Annotated[list[list[JsonValue]], Field(min_length=1, fail_fast=True)]


class NamedTexts(Body):
    """The texts by name, with the parameters as Azure's older images take them."""

    input_string: Texts
    parameters: Params = None


def _kind(value: Any) -> str:
    if not isinstance(value, dict):
        return "=texts"
    return "=named" if "input_string" in value else "=frame"


class ScoreRequest(Body):
    """Texts with the parameters of the task."""

    input_data: Annotated[
        Annotated[Texts, Tag("=texts")]
        | Annotated[Frame, Tag("=frame")]
        | Annotated[NamedTexts, Tag("=named")],
        Discriminator(_kind),
    ]
    params: Params = None


class ErrorBody(BaseModel):
    message: str


def azureml(service: Service) -> Format:
    """The format, with its operation on `service`."""

    async def score(request: Request, body: bytes) -> Response:
        asked = await parsed(ScoreRequest, request, body)
        texts, params = read_input(asked)
        predictions = await service.predict_all(texts, params, log=wants_log(request.headers))
        return json_response([row_of(prediction) for prediction in predictions])

    return Format(
        name="azureml",
        error=lambda error: {"message": str(error)},
        error_schema=ErrorBody,
        operations=(
            Operation(
                method="POST",
                path="/score",
                handler=score,
                summary="Predict texts as an Azure ML deployment of an MLflow model",
                request=ScoreRequest,
                responses={JSON: list[Row]},
                statuses=(422,),
            ),
        ),
    )


def read_input(asked: ScoreRequest) -> tuple[Sequence[str], dict[str, Any]]:
    """The texts and the parameters; a parameter that is null is left out.

    Raises Refused for a frame without a column of texts, or with parameters in both places.
    """
    given, params = asked.input_data, asked.params
    if isinstance(given, NamedTexts):
        if given.parameters and params:
            raise Refused("There are params and input_data.parameters. Send params alone.")
        params = given.parameters or params
    if isinstance(given, Frame):
        return _column(given), without_nulls(params)
    texts = given.input_string if isinstance(given, NamedTexts) else given
    return texts, without_nulls(params)


def _column(frame: Frame) -> list[str]:
    columns = frame.columns
    named = [i for i, name in enumerate(columns) if name in TEXT_COLUMNS]
    if len(named) != 1 and len(columns) != 1:
        raise Refused(
            f"The columns are {', '.join(columns):.200}; the texts must be in the only column, or "
            "in one that is named text."
        )
    at = named[0] if len(named) == 1 else 0
    texts = []
    for number, row in enumerate(frame.data, start=1):
        if len(row) != len(columns):
            raise Refused(f"Row {number} of data has {len(row)} values for {len(columns)} columns.")
        text = row[at]
        if not isinstance(text, str):
            raise Refused(f"Row {number} of data has {text!r:.80} where a text must be.")
        texts.append(text)
    return texts
