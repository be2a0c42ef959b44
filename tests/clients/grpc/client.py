"""A client without any stubs: it builds its messages of what reflection tells, as grpcurl does."""

import json
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

_, name = sys.argv[1:]
texts = json.load(sys.stdin)
channel = grpc.insecure_channel(os.environ["GRPC_ADDRESS"])
database = ProtoReflectionDescriptorDatabase(channel)
pool = DescriptorPool(database)

INFERENCE, TENSORFLOW = "inference.GRPCInferenceService", "tensorflow.serving.PredictionService"


def call(service: str, method: str, *messages: dict[str, Any]) -> Iterator[Any]:
    """The answers to a call, with messages in the JSON of protobuf."""
    described = pool.FindServiceByName(service).FindMethodByName(method)
    kinds = (GetMessageClass(described.input_type), GetMessageClass(described.output_type))
    ask = channel.stream_stream(  # on the wire calls with one message or many look the same
        f"/{service}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=kinds[1].FromString,
    )
    return iter(ask(iter(ParseDict(message, kinds[0]()) for message in messages), timeout=60))


def only(service: str, method: str, message: dict[str, Any]) -> dict[str, Any]:
    (answer,) = call(service, method, message)
    return dict(MessageToDict(answer))


def refusal(message: dict[str, Any]) -> tuple[grpc.StatusCode, str]:
    """The code and the sentence of a request that is refused."""
    try:
        only(INFERENCE, "ModelInfer", message)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError(f"{message} was not refused")


def rows(labels: Sequence[bytes], scores: Sequence[float]) -> list[dict[str, Any]]:
    pairs = zip(labels, scores, strict=True)
    return [{"label": label.decode(), "score": score} for label, score in pairs]


def infer(*, raw: bool, method: str = "ModelInfer") -> list[dict[str, Any]]:
    """The label and score of each text."""
    request = GetMessageClass(pool.FindMessageTypeByName("inference.ModelInferRequest"))()
    request.model_name = name
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[len(texts)])
    encoded = [text.encode() for text in texts]
    if raw:
        parts = [struct.pack("<I", len(text)) + text for text in encoded]
        request.raw_input_contents.append(b"".join(parts))
    else:
        tensor.contents.bytes_contents.extend(encoded)
    (answer,) = call(INFERENCE, method, MessageToDict(request))
    if method == "ModelStreamInfer":
        answer = answer.infer_response
    labels, scores, _ = answer.outputs
    if not raw:
        return rows(labels.contents.bytes_contents, scores.contents.fp64_contents)
    packed, numbers, _ = answer.raw_output_contents
    return rows(list(unpacked(packed)), struct.unpack(f"<{len(texts)}d", numbers))


def unpacked(packed: bytes) -> Iterator[bytes]:
    while packed:
        (size,) = struct.unpack_from("<I", packed)
        yield packed[4 : 4 + size]
        packed = packed[4 + size :]


def predict() -> list[dict[str, Any]]:
    """The label and score of each text, by TensorFlow Serving's call."""
    request = GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.PredictRequest"))()
    request.model_spec.name = name
    tensor = request.inputs["text"]
    tensor.dtype = 7  # DT_STRING
    tensor.tensor_shape.dim.add(size=len(texts))
    tensor.string_val.extend(text.encode() for text in texts)
    (answer,) = call(TENSORFLOW, "Predict", MessageToDict(request))
    return rows(answer.outputs["label"].string_val, answer.outputs["score"].double_val)


assert {INFERENCE, TENSORFLOW, "grpc.health.v1.Health"} <= set(database.get_services())
for service in ("", INFERENCE, TENSORFLOW):
    health = only("grpc.health.v1.Health", "Check", {"service": service})
    assert health == {"status": "SERVING"}
assert only(INFERENCE, "ServerReady", {}) == {"ready": True}
code, sentence = refusal({"modelName": "another"})
assert code == grpc.StatusCode.NOT_FOUND
assert "There is no model 'another' here" in sentence

answers = {
    "typed": infer(raw=False),
    "raw": infer(raw=True),
    "stream": infer(raw=True, method="ModelStreamInfer"),
    "TensorFlow Serving": predict(),
}
print(json.dumps(answers))
