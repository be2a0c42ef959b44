"""Open Inference Protocol v2 over HTTP, as tritonclient and KServe's client speak it.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol, with the
extension for binary tensors. A request has an input `text`, BYTES of shape [n] or [n, 1]; its
parameters are those of the model. An answer has these outputs of shape [n], or those asked for:

- `label`, BYTES: the label with the highest score, or "" (a generated text has no label);
- `score`, FP64: its probability. A text without a score (generated, or without spans) has 0.0, as
  JSON has no NaN;
- `output`, BYTES: the whole output as JSON, in the form of the export.

A text that fails among others has empty outputs and 0.0; the answer's parameter `errors` is JSON of
the sentences by the text's index from 0: {"1": "There is no text to predict. …"}. If all texts
fail, the answer is the error of the first. The parameter `truncated` is JSON of the indices of the
texts that were longer than the model reads, and were cut: [0, 2]. Without such texts an answer has
no parameters. The version of a model is its revision.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, Tag
from starlette.requests import Request
from starlette.responses import Response

from feedback.records import compact_json
from serving.bodies import Body, ErrorBody, Integer, Params, text_or_list, without_nulls
from serving.errors import Malformed, Refused
from serving.http import (
    JSON,
    Format,
    Operation,
    json_response,
    parsed_json,
    require_json,
)
from serving.requests import API_VERSION
from serving.service import Service, wants_log
from serving.tensors import (
    INPUT,
    OUTPUTS,
    Columns,
    columns,
    model_metadata,
    model_params,
    read_bytes,
    require_outputs,
    require_text,
    texts_of_shape,
    write_bytes,
)

LENGTH_HEADER = "Inference-Header-Content-Length"
BINARY = "application/octet-stream"
BINARY_SCHEMA = {
    "type": "string",
    "format": "binary",
    "description": f"JSON of as many bytes as the header {LENGTH_HEADER} says, then the tensors.",
}


MAX_SIZE = 2**63 - 1
# Of a type with a validator of its own pydantic does not write the bounds into the schema.
Size = Annotated[
    Integer,
    Field(ge=0, le=MAX_SIZE, json_schema_extra={"minimum": 0, "maximum": MAX_SIZE}),
]
# By the document 1 at least; that there are no texts has a sentence of its own.
Dimension = Annotated[Size, Field(json_schema_extra={"minimum": 1})]


class InputParameters(Body):
    binary_data_size: Size | None = None


class Input(Body):
    """The texts: `data`, or as many bytes after the JSON as `binary_data_size` says."""

    name: str
    shape: Annotated[list[Dimension], Field(fail_fast=True)]
    datatype: str
    parameters: InputParameters | None = None
    data: (
        Annotated[
            list[
                Annotated[
                    Annotated[str, Tag("=text")]
                    | Annotated[
                        list[str],
                        Field(min_length=1, max_length=1, fail_fast=True),
                        Tag("=list"),
                    ],
                    Discriminator(text_or_list),
                ]
            ],
            Field(fail_fast=True),
        ]
        | None
    ) = None


class OutputParameters(Body):
    binary_data: bool | None = None


class RequestedOutput(Body):
    name: str
    parameters: OutputParameters | None = None


class InferRequest(Body):
    """Texts, with the parameters of the model, and the outputs that are asked for."""

    id: str | None = None
    model_name: str | None = None
    model_version: str | None = None
    inputs: Annotated[list[Input], Field(min_length=1, max_length=1, fail_fast=True)]
    outputs: (
        Annotated[list[RequestedOutput], Field(max_length=len(OUTPUTS), fail_fast=True)] | None
    ) = None
    parameters: Params = None


class LiveBody(BaseModel):
    live: bool


class ReadyBody(BaseModel):
    ready: bool


class ModelReadyBody(BaseModel):
    name: str
    ready: bool


class ServerBody(BaseModel):
    name: str
    version: str
    extensions: list[str]


class TensorBody(BaseModel):
    name: str
    datatype: str
    shape: list[int]


class ModelBody(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorBody]
    outputs: list[TensorBody]


class Output(TensorBody):
    parameters: dict[str, int] | None = None
    data: list[str] | list[float] | None = None


class InferBody(BaseModel):
    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, str] | None = None
    outputs: list[Output]


def openinference(service: Service) -> Format:
    """The format, with its operations on `service`."""

    async def server(request: Request, body: bytes) -> Response:
        return json_response(
            {"name": "tryout", "version": API_VERSION, "extensions": ["binary_tensor_data"]}
        )

    async def live(request: Request, body: bytes) -> Response:
        return json_response({"live": True})

    async def ready(request: Request, body: bytes) -> Response:
        service.require_ready()
        return json_response({"ready": True})

    async def model(request: Request, body: bytes) -> Response:
        service.require_model(**request.path_params)
        info = service.info
        return json_response(model_metadata(service.name_of(info.id), info))

    async def model_ready(request: Request, body: bytes) -> Response:
        service.require_ready()
        service.require_model(**request.path_params)
        return json_response({"name": service.name, "ready": True})

    async def infer(request: Request, body: bytes) -> Response:
        service.require_model(**request.path_params)
        require_json(request, others=(BINARY,))
        head, raw = split(request.headers, body)
        asked = await parsed_json(InferRequest, head)
        if asked.model_name is not None:
            service.require_model(asked.model_name, asked.model_version)
        require_outputs(output.name for output in asked.outputs or ())
        texts = read_texts(asked.inputs[0], raw, service)
        params, timeout_s = model_params(without_nulls(asked.parameters))
        is_binary = params.pop("binary_data_output", False) is True
        log = wants_log(request.headers)
        version = request.path_params.get("version") or asked.model_version
        results = await service.predict(
            texts, params, log=log, timeout_s=timeout_s, version=version
        )
        return encoded(asked, columns(results), service, is_binary=is_binary)

    def get(path: str, handler: Any, summary: str, answer: Any, *statuses: int) -> Operation:
        return Operation(
            method="GET",
            path=path,
            scope="predict" if handler is model else None,  # the others are probes
            handler=handler,
            summary=summary,
            responses={JSON: answer},
            statuses=statuses,
        )

    operations = [
        get("/v2", server, "The server and its extensions", ServerBody),
        get("/v2/health/live", live, "200 as soon as the port answers", LiveBody),
        get("/v2/health/ready", ready, "200 once the model is loaded", ReadyBody),
    ]
    for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        operations += [
            get(path, model, "The model's inputs and outputs", ModelBody, 404),
            get(f"{path}/ready", model_ready, "200 once it is loaded", ModelReadyBody, 404),
            Operation(
                method="POST",
                path=f"{path}/infer",
                handler=infer,
                summary="Predict texts by the Open Inference Protocol",
                request=InferRequest,
                other_requests={BINARY: BINARY_SCHEMA},
                responses={JSON: InferBody, BINARY: BINARY_SCHEMA},
                statuses=(404, 422),
            ),
        ]
    return Format(
        name="openinference",
        error=lambda error: {"error": str(error)},
        error_schema=ErrorBody,
        operations=tuple(operations),
        slash=True,
    )


def split(headers: Mapping[str, str], body: bytes) -> tuple[bytes, bytes]:
    """The JSON of a body, and the bytes of the tensors after it.

    Raises Malformed for a length of the JSON that is not a number, or beyond the body.
    """
    stated = headers.get(LENGTH_HEADER)
    if stated is None:
        return body, b""
    if not (stated.isascii() and stated.isdecimal() and len(stated) < 20):
        raise Malformed(f"{LENGTH_HEADER} is {stated[:80]!r}; it is a number of bytes.")
    length = int(stated)
    if length > len(body):
        raise Malformed(f"{LENGTH_HEADER} is {length:,}, and the body has {len(body):,} bytes.")
    return body[:length], body[length:]


def read_texts(given: Input, raw: bytes, service: Service) -> list[str]:
    """The texts of the input; raises Refused, Malformed for bytes that are no texts, TooLarge."""
    require_text(given.name, given.datatype)
    count = texts_of_shape(given.shape)
    service.require_count(count)
    size = given.parameters.binary_data_size if given.parameters else None
    if size is None:
        if given.data is None:
            raise Refused(f"{INPUT!r} has no data. Send data, or binary_data_size and its bytes.")
        if raw:
            raise Refused(
                f"There are {len(raw):,} bytes after the JSON, and {INPUT!r} has no "
                "binary_data_size."
            )
        return _flat(given.data, given.shape)
    if given.data is not None:
        raise Refused(f"{INPUT!r} has both data and binary_data_size. Send either.")
    if size != len(raw):
        raise Refused(
            f"binary_data_size of {INPUT!r} is {size:,}, and {len(raw):,} bytes follow the JSON, "
            f"whose length the header {LENGTH_HEADER} says."
        )
    return read_bytes(raw, count)


def _flat(data: Sequence[str | list[str]], shape: Sequence[int]) -> list[str]:
    """The texts of `data`, which may be nested as the shape is; raises Refused."""
    if len(shape) == 1 and any(isinstance(item, list) for item in data):
        raise Refused(f"data of {INPUT!r} is nested, and its shape {list(shape)} is not.")
    if len(data) != shape[0]:
        raise Refused(f"data of {INPUT!r} has {len(data):,} texts, and its shape is {list(shape)}.")
    return [item if isinstance(item, str) else item[0] for item in data]


def encoded(
    asked: InferRequest, predicted: Columns, service: Service, *, is_binary: bool
) -> Response:
    """The answer: JSON, and after it the outputs that are binary.

    An output is binary if it says so, or else if `is_binary`.
    """
    outputs, tensors = [], []
    for wanted in asked.outputs or [RequestedOutput(name=name) for name in OUTPUTS]:
        values = predicted.values[wanted.name]
        output: dict[str, Any] = {
            "name": wanted.name,
            "datatype": OUTPUTS[wanted.name],
            "shape": [len(values)],
        }
        own = wanted.parameters.binary_data if wanted.parameters else None
        if is_binary if own is None else own:
            tensors.append(write_bytes(wanted.name, values))
            output["parameters"] = {"binary_data_size": len(tensors[-1])}
        else:
            output["data"] = values
        outputs.append(output)
    answer: dict[str, Any] = {
        "model_name": service.name_of(predicted.first.model_id),
        "model_version": predicted.first.model_revision,
        "outputs": outputs,
    }
    if asked.id is not None:
        answer["id"] = asked.id
    if parameters := predicted.parameters:
        answer["parameters"] = parameters
    if not tensors:
        return json_response(answer)
    head = compact_json(answer).encode()
    return Response(
        head + b"".join(tensors),
        headers={LENGTH_HEADER: str(len(head))},
        media_type=BINARY,
    )
