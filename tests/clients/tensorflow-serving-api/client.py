"""The stubs of TensorFlow Serving's package, without TensorFlow: predictions, metadata, errors.

They import the messages of TensorFlow's tensors, which tensorflow-protobuf has. That package brings
stubs of an older TensorFlow Serving, too, and so it is installed before the newer ones. It lacks a
module that those of ModelService need; tests/serving asks that service.
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import grpc
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

_, name = sys.argv[1:]
texts = json.load(sys.stdin)
channel = grpc.insecure_channel(os.environ["GRPC_ADDRESS"])
stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
STRING, DOUBLE, BOOL = types_pb2.DT_STRING, types_pb2.DT_DOUBLE, types_pb2.DT_BOOL


def request(shape: Sequence[int], *, model: str = name) -> Any:
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = model
    asked.model_spec.signature_name = "serving_default"
    dimensions = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in shape]
    tensor = tensor_pb2.TensorProto(
        dtype=STRING,
        tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=dimensions),
        string_val=[text.encode() for text in texts],
    )
    asked.inputs["text"].CopyFrom(tensor)
    return asked


def predict(shape: Sequence[int], outputs: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The label and score of each text."""
    asked = request(shape)
    asked.output_filter.extend(outputs)
    answer = stub.Predict(asked, timeout=60)
    assert answer.model_spec.name == name
    assert set(answer.outputs) == set(outputs or ("label", "score", "output", "truncated"))
    label, score = answer.outputs["label"], answer.outputs["score"]
    assert (label.dtype, score.dtype) == (STRING, DOUBLE)
    pairs = zip(label.string_val, score.double_val, strict=True)
    return [{"label": label.decode(), "score": score} for label, score in pairs]


def refusal(call: Any, asked: Any) -> tuple[grpc.StatusCode, str]:
    """The code and the sentence of a call that is refused."""
    try:
        call(asked, timeout=60)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError(f"{asked} was not refused")


asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
asked.model_spec.name = name
metadata = stub.GetModelMetadata(asked, timeout=60)
signatures = get_model_metadata_pb2.SignatureDefMap()
assert metadata.metadata["signature_def"].Unpack(signatures)
signature = signatures.signature_def["serving_default"]
assert signature.method_name == "tensorflow/serving/predict"
assert signature.inputs["text"].dtype == STRING
assert signature.outputs["truncated"].dtype == BOOL

missing = refusal(stub.Predict, request([len(texts)], model="another"))
assert missing[0] == grpc.StatusCode.NOT_FOUND
assert "There is no model 'another' here" in missing[1]
assert refusal(stub.Predict, request([1]))[0] == grpc.StatusCode.INVALID_ARGUMENT
other = refusal(stub.Classify, classification_pb2.ClassificationRequest())
assert other[0] == grpc.StatusCode.UNIMPLEMENTED

answers = {
    "all outputs": predict([len(texts)]),
    "some outputs, [n, 1]": predict([len(texts), 1], ["score", "label"]),
}
print(json.dumps(answers))
