"""The requests of AWS SageMaker to a container: /ping, and /invocations with JSON, lines or CSV.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html has the routes,
https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html the types of bodies; the fields
are those of Hugging Face's containers,
https://github.com/aws/sagemaker-huggingface-inference-toolkit.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, RootModel, Tag
from starlette.requests import Request
from starlette.responses import Response

from errors import TryoutError
from feedback.records import compact_json
from model import Prediction
from serving.bodies import (
    Body,
    Params,
    Row,
    TextOrTexts,
    row_of,
    text_or_object,
    without_nulls,
)
from serving.errors import Malformed, Refused, TooLarge, UnsupportedMediaType, status_of
from serving.http import (
    JSON,
    Format,
    Operation,
    json_response,
    media_type,
    parse_json,
    read_in_thread,
    require_json,
)
from serving.service import Service, wants_log

LINES, CSV = "application/jsonlines", "text/csv"
HEADER = "inputs"  # the header of the column in the CSV of Hugging Face's containers
LINES_SCHEMA = {"type": "string", "description": "A JSON value a line."}
# RFC 4180 with a single column: a row is in double quotes, or has none, no comma and no new line.
CSV_SCHEMA = {
    "type": "string",
    "pattern": r'^(("([^"]|"")*"|[^",\r\n]+)(\r?\n|$))+$',
}


class InputsRequest(Body):
    """A text or several, as Hugging Face's containers take them."""

    inputs: TextOrTexts
    parameters: Params = None


class Instance(Body):
    inputs: str


class InstancesRequest(Body):
    """Texts as instances, of which the answers are predictions."""

    instances: Annotated[
        list[
            Annotated[
                Annotated[str, Tag("=text")] | Annotated[Instance, Tag("=object")],
                Discriminator(text_or_object),
            ]
        ],
        Field(min_length=1, fail_fast=True),
    ]
    parameters: Params = None


def _kind(value: Any) -> str:
    return "=instances" if isinstance(value, dict) and "instances" in value else "=inputs"


class InvocationRequest(
    RootModel[
        Annotated[
            Annotated[InputsRequest, Tag("=inputs")]
            | Annotated[InstancesRequest, Tag("=instances")],
            Discriminator(_kind),
        ]
    ]
):
    """A JSON body."""


class LineObject(Body):
    inputs: str
    parameters: Params = None


class Line(
    RootModel[
        Annotated[
            Annotated[str, Tag("=text")] | Annotated[LineObject, Tag("=object")],
            Discriminator(text_or_object),
        ]
    ]
):
    """A line of JSON Lines: a text, or an object with it."""


class PredictionsBody(BaseModel):
    predictions: list[Row]


class ErrorBody(BaseModel):
    """The body of Multi Model Server, which Hugging Face's containers run."""

    code: int
    type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """Texts to predict; `has_instances` and `has_header` decide the form of the answer."""

    texts: Sequence[str]
    params: Mapping[str, Any] = field(default_factory=dict)
    has_instances: bool = False
    has_header: bool = False


def sagemaker(service: Service) -> Format:
    """The format, with its operations on `service`."""
    readers: Mapping[str, Callable[[bytes], Invocation]] = {
        LINES: partial(read_lines, max_texts=service.limits.max_texts),
        CSV: partial(read_csv, max_texts=service.limits.max_texts),
    }

    async def ping(request: Request, body: bytes) -> Response:
        service.require_ready()
        return Response()

    async def invoke(request: Request, body: bytes) -> Response:
        stated = media_type(request)
        require_json(request, others=readers)
        answered = accepted(request.headers.get("accept", ""), default=stated)
        if answered == CSV and service.predictor.generates:
            raise Refused(f"A generated text has no label and score for CSV. Accept {JSON}.")
        asked = await read_in_thread(readers.get(stated, read_json), body)
        predictions = await service.predict_all(
            asked.texts, asked.params, log=wants_log(request.headers)
        )
        return _response(asked, predictions, answered)

    return Format(
        name="sagemaker",
        error=error_body,
        error_schema=ErrorBody,
        operations=(
            Operation(
                method="GET",
                path="/ping",
                handler=ping,
                summary="200 once the model is loaded",
                scope=None,
            ),
            Operation(
                method="POST",
                path="/invocations",
                handler=invoke,
                summary="Predict texts as a SageMaker container",
                request=InvocationRequest,
                other_requests={LINES: LINES_SCHEMA, CSV: CSV_SCHEMA},
                responses={
                    JSON: list[Row] | PredictionsBody,
                    LINES: LINES_SCHEMA,
                    CSV: {"type": "string"},
                },
                statuses=(422,),
            ),
        ),
    )


def error_body(error: TryoutError) -> dict[str, Any]:
    """The error as Multi Model Server has it."""
    status = status_of(error).http
    kind = HTTPStatus(status).phrase.replace(" ", "")
    return {"code": status, "type": f"{kind}Exception", "message": str(error)}


# --- requests -------------------------------------------------------------------------------------


def read_json(body: bytes) -> Invocation:
    """The texts of a JSON body; raises Malformed."""
    asked = parse_json(InvocationRequest, body).root
    params = without_nulls(asked.parameters)
    if isinstance(asked, InstancesRequest):
        texts = [each if isinstance(each, str) else each.inputs for each in asked.instances]
        return Invocation(texts=texts, params=params, has_instances=True)
    texts = [asked.inputs] if isinstance(asked.inputs, str) else asked.inputs
    return Invocation(texts=texts, params=params)


def read_lines(body: bytes, *, max_texts: int) -> Invocation:
    """The texts of JSON Lines (https://jsonlines.org), in which blank lines do not count.

    Raises Malformed with the number of the line, TooLarge, and Refused for lines whose parameters
    differ.
    """
    texts: list[str] = []
    params: Mapping[str, Any] | None = None
    for number, line in enumerate(io.BytesIO(body), start=1):
        if not line.strip():
            continue
        _require_room(len(texts) + 1, max_texts)
        try:
            read = parse_json(Line, line.rstrip()).root
        except Malformed as error:
            raise Malformed(f"Line {number}: {error}") from error
        given = {} if isinstance(read, str) else without_nulls(read.parameters)
        if params is not None and given != params:
            raise Refused(
                f"Line {number} has other parameters than the lines before it. Send a request for "
                "each set of parameters."
            )
        params = given
        texts.append(read if isinstance(read, str) else read.inputs)
    return Invocation(texts=texts, params=params or {})


def read_csv(body: bytes, *, max_texts: int) -> Invocation:
    """The texts of CSV (RFC 4180) of a single column, with the header `inputs` or without.

    Blank lines do not count. Raises Malformed with the number of the row, and TooLarge.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"The CSV is not UTF-8: {error.reason} at byte {error.start}.") from error
    csv.field_size_limit(2**31 - 1)  # the limit of a text is that of the service
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    texts: list[str] = []
    try:
        for row in filter(None, reader):
            if len(row) != 1:
                raise Malformed(
                    f"Line {reader.line_num} of the CSV has {len(row)} columns and must have the "
                    "text alone. Put a text with commas into double quotes."
                )
            texts.append(row[0])
            _require_room(len(texts) - (texts[0] == HEADER), max_texts)
    except csv.Error as error:
        raise Malformed(f"Line {reader.line_num} is not CSV: {error}.") from error
    has_header = texts[:1] == [HEADER]
    return Invocation(texts=texts[has_header:], has_header=has_header)


def _require_room(count: int, max_texts: int) -> None:
    """Raises TooLarge, so that a body is read no further than needed to know it."""
    if count > max_texts:
        raise TooLarge(f"There are more than {max_texts:,} texts. Send several requests.")


# --- answers --------------------------------------------------------------------------------------


def accepted(header: str, *, default: str) -> str:
    """The type of the answer: the first of the Accept header that there is, by its order.

    Without the header, or if it takes any type, the answer to JSON Lines is JSON Lines, and else
    JSON. Raises UnsupportedMediaType if no type fits.
    """
    types = [part.split(";")[0].strip().lower() for part in header.split(",")]
    for name in types:
        if name in (JSON, LINES, CSV):
            return name
        if name in ("", "*/*", "application/*"):
            return LINES if default == LINES else JSON
    raise UnsupportedMediaType(f"Accept is {header[:80]!r}. Answers are {JSON}, {LINES} or {CSV}.")


def _response(asked: Invocation, predictions: Sequence[Prediction], answered: str) -> Response:
    if answered == CSV:
        return Response(_csv(predictions, has_header=asked.has_header), media_type=CSV)
    rows = [row_of(prediction) for prediction in predictions]
    if answered == LINES:
        lines = "".join(f"{compact_json(row)}\n" for row in rows)
        return Response(lines, media_type=LINES)
    return json_response({"predictions": rows} if asked.has_instances else rows)


def _csv(predictions: Sequence[Prediction], *, has_header: bool) -> str:
    """Label and score of each text; with a header if the request had one."""
    file = io.StringIO()
    writer = csv.writer(file)  # of RFC 4180: rows end with CRLF
    if has_header:
        writer.writerow(("label", "score"))
    writer.writerows((prediction.label, prediction.score) for prediction in predictions)
    return file.getvalue()
