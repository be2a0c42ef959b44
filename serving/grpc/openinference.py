"""Open Inference Protocol v2 over gRPC, as tritonclient, KServe's client and Triton's tools speak.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md
with Triton's ModelStreamInfer. Input, outputs and the parameters `errors` and `truncated` are those
of serving/tensors.py. Texts in `raw_input_contents` are answered in `raw_output_contents`, those in
`contents` in `contents`. A parameter of the model that is a list is its JSON, in a string.

A stream answers its messages one after the other, in their order; a message that cannot be answered
has an `error_message`, and the stream goes on. If the model generates, a message with a single text
has an answer each time that the text has grown, with the whole text so far in `output`. The
parameter `triton_final_response` is true in the last answer to a message.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from pydantic_core import from_json

from errors import TryoutError
from feedback.records import compact_json
from model import ModelInfo, Prediction
from model.generation import Grown
from serving.asking import Begun
from serving.errors import Refused
from serving.grpc.calls import Asked, Call, Format, StreamCall
from serving.grpc.protos import open_inference_pb2 as pb
from serving.requests import API_VERSION
from serving.service import Service, wants_log
from serving.tensors import (
    INPUT,
    NO_SCORE,
    OUTPUTS,
    Columns,
    columns,
    model_metadata,
    model_params,
    read_bytes,
    require_outputs,
    require_text,
    texts_of,
    texts_of_shape,
    write_bytes,
)

SERVICE = str(pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name)
FINAL = "triton_final_response"
# Triton's wish for an empty last answer, which is not needed: the last one says that it is.
EMPTY_FINAL = "triton_enable_empty_final_response"
# Of a tensor: whether JSON has it as bytes, which changes nothing here.
TENSOR_PARAMETERS = {"binary_data", "binary_data_size"}
MAX_PARAMETERS = 100  # of a request; to read a hundred thousand takes the event loop a second


def openinference(service: Service) -> Format:
    """The format, with its calls on `service`."""

    async def live(asked: Asked) -> Any:
        return pb.ServerLiveResponse(live=True)

    async def ready(asked: Asked) -> Any:
        return pb.ServerReadyResponse(ready=service.is_ready)

    async def model_ready(asked: Asked) -> Any:
        if not service.is_ready:
            return pb.ModelReadyResponse(ready=False)
        service.require_model(asked.message.name, asked.message.version or None)
        return pb.ModelReadyResponse(ready=True)

    async def server(asked: Asked) -> Any:
        return pb.ServerMetadataResponse(name="tryout", version=API_VERSION)

    async def model(asked: Asked) -> Any:
        service.require_model(asked.message.name, asked.message.version or None)
        info = service.info
        return pb.ModelMetadataResponse(**model_metadata(service.name_of(info.id), info))

    async def infer(asked: Asked) -> Any:
        return await _infer(service, asked)

    def stream(asked: Asked) -> AsyncGenerator[Any]:
        return _stream(service, asked)

    return Format(
        name="openinference",
        service=SERVICE,
        calls=(
            Call(name="ServerLive", request=pb.ServerLiveRequest, answer=live, scope=None),
            Call(name="ServerReady", request=pb.ServerReadyRequest, answer=ready, scope=None),
            Call(name="ModelReady", request=pb.ModelReadyRequest, answer=model_ready, scope=None),
            Call(
                name="ServerMetadata",
                request=pb.ServerMetadataRequest,
                answer=server,
                scope=None,
            ),
            Call(name="ModelMetadata", request=pb.ModelMetadataRequest, answer=model),
            Call(name="ModelInfer", request=pb.ModelInferRequest, answer=infer),
            StreamCall(
                name="ModelStreamInfer",
                request=pb.ModelInferRequest,
                answers=stream,
                error=_error,
            ),
        ),
    )


async def _infer(service: Service, asked: Asked) -> Any:
    request = asked.message
    texts, params, timeout_s = _read(service, asked)
    results = await service.predict(
        texts,
        params,
        log=wants_log(asked.headers),
        timeout_s=timeout_s,
        version=request.model_version or None,
    )
    return _encoded(request, columns(results), service)


async def _stream(service: Service, asked: Asked) -> AsyncGenerator[Any]:
    request = asked.message
    texts, params, timeout_s = _read(service, asked)
    if len(texts) != 1 or not service.predictor.generates:
        yield _streamed(await _infer(service, asked), is_final=True)
        return
    name = revision = ""
    events = service.stream(
        texts[0],
        params,
        log=wants_log(asked.headers),
        timeout_s=timeout_s,
        version=request.model_version or None,
    )
    async with aclosing(events):
        async for event in events:
            match event:
                case Begun(info):
                    name, revision = service.name_of(info.id), info.revision
                case Grown(text, tokens):
                    output = compact_json({"text": text, "tokens": tokens, "finish": None})
                    row: dict[str, list[Any]] = {
                        "label": [""],
                        "score": [NO_SCORE],
                        "output": [output],
                    }
                    growing = _answer(request, row, name, revision)
                    yield _streamed(growing, is_final=False)
                case Prediction():
                    yield _streamed(_encoded(request, columns([event]), service), is_final=True)


def _streamed(answer: Any, *, is_final: bool) -> Any:
    answer.parameters[FINAL].bool_param = is_final
    return pb.ModelStreamInferResponse(infer_response=answer)


def _error(request: Any, error: TryoutError) -> Any:
    """The answer to a message of a stream that failed; as Triton's it has the message's id."""
    answer = pb.ModelInferResponse(id=request.id if request else "")
    answer.parameters[FINAL].bool_param = True
    return pb.ModelStreamInferResponse(error_message=str(error), infer_response=answer)


def _read(service: Service, asked: Asked) -> tuple[list[str], dict[str, Any], float]:
    """The texts and the model's parameters of a request, and the seconds that a text may wait."""
    request = asked.message
    service.require_model(request.model_name, request.model_version or None)
    require_outputs(output.name for output in request.outputs)
    for output in request.outputs:
        _require_plain(output.name, output.parameters)
    texts = read_texts(request, service)
    params, timeout_s = model_params(read_parameters(request.parameters, service.info))
    params.pop(EMPTY_FINAL, None)
    return texts, params, min(timeout_s, asked.timeout_s)


def read_texts(request: Any, service: Service) -> list[str]:
    """The texts of a request; raises Refused, Malformed for bytes that are no texts, TooLarge."""
    if len(request.inputs) != 1:
        raise Refused(f"There are {len(request.inputs)} inputs. Send one, {INPUT!r}.")
    (given,) = request.inputs
    require_text(given.name, given.datatype)
    _require_plain(given.name, given.parameters)
    count = texts_of_shape(given.shape)
    service.require_count(count)
    is_typed = given.HasField("contents")
    if request.raw_input_contents:
        if is_typed:
            raise Refused(f"{INPUT!r} has both contents and raw_input_contents. Send either.")
        if len(request.raw_input_contents) != 1:
            raise Refused(
                f"raw_input_contents has {len(request.raw_input_contents)} tensors for the input "
                f"{INPUT!r}. Send one."
            )
        return read_bytes(request.raw_input_contents[0], count)
    if not is_typed:
        raise Refused(f"{INPUT!r} has no data. Send raw_input_contents, or bytes_contents.")
    return texts_of(given.contents.bytes_contents, count, where="bytes_contents")


def _require_plain(name: str, parameters: Mapping[str, Any]) -> None:
    """Raises Refused for parameters of a tensor that would change it, such as shared memory."""
    for parameter in parameters:
        if parameter not in TENSOR_PARAMETERS:
            raise Refused(
                f"{name!r} has the parameter {parameter!r:.80}, which it cannot have here."
            )


def read_parameters(given: Mapping[str, Any], info: ModelInfo) -> dict[str, Any]:
    """The parameters of a request by name; raises Refused for a list that is not JSON, or too many.

    A parameter without a value is left out.
    """
    if len(given) > MAX_PARAMETERS:
        raise Refused(
            f"There are {len(given):,} parameters; a request has at most {MAX_PARAMETERS}."
        )
    lists = {param.name for param in info.params if isinstance(param.default, tuple)}
    values = {}
    for name, parameter in given.items():
        if kind := parameter.WhichOneof("parameter_choice"):
            value = getattr(parameter, kind)
            values[name] = _list(name, value) if name in lists else value
    return values


def _list(name: str, value: Any) -> Any:
    try:
        return from_json(value)  # as over HTTP: Python's own takes half of a surrogate pair
    except (TypeError, ValueError) as error:
        raise Refused(
            f"{name} is {value!r:.80}; it must be a list as JSON, in string_param."
        ) from error


def _encoded(request: Any, predicted: Columns, service: Service) -> Any:
    """The answer, with the model that made the predictions."""
    first = predicted.first
    model_name = service.name_of(first.model_id)
    answer = _answer(request, predicted.values, model_name, first.model_revision)
    for name, value in predicted.parameters.items():
        answer.parameters[name].string_param = value
    return answer


def _answer(
    request: Any, columns_by_name: Mapping[str, Sequence[Any]], model_name: str, revision: str
) -> Any:
    """The outputs that are asked for, raw if the request is."""
    answer = pb.ModelInferResponse(model_name=model_name, model_version=revision, id=request.id)
    for name in [output.name for output in request.outputs] or OUTPUTS:
        values = columns_by_name[name]
        output = answer.outputs.add(name=name, datatype=OUTPUTS[name], shape=[len(values)])
        if request.raw_input_contents:
            answer.raw_output_contents.append(write_bytes(name, values))
        elif OUTPUTS[name] == "FP64":
            output.contents.fp64_contents.extend(values)
        else:
            output.contents.bytes_contents.extend(value.encode() for value in values)
    return answer
