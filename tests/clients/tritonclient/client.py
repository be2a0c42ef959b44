"""NVIDIA's client of Triton by HTTP and gRPC: tensors, streams, health, metadata, errors."""

import json
import os
import queue
import sys
from collections.abc import Sequence
from typing import Any

import numpy
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

url, name = sys.argv[1:]
texts = json.load(sys.stdin)
client = triton.InferenceServerClient(url.removeprefix("http://"))


def infer(
    shape: Sequence[int], *, binary: bool, outputs: Sequence[str] = (), **options: Any
) -> list[dict[str, Any]]:
    """The label and score of each text; without `outputs` the client asks for all, as binary."""
    tensor = triton.InferInput("text", shape, "BYTES")
    encoded = numpy.array([text.encode() for text in texts], dtype=object).reshape(shape)
    tensor.set_data_from_numpy(encoded, binary_data=binary)
    wanted = [triton.InferRequestedOutput(output, binary_data=binary) for output in outputs]
    result = client.infer(name, [tensor], outputs=wanted, request_id="r1", **options)
    assert result.get_response()["id"] == "r1"
    assert bool(result.as_numpy("output") is None) == bool(outputs)
    labels = [  # bytes where the answer is binary
        label.decode() if isinstance(label, bytes) else label for label in result.as_numpy("label")
    ]
    scores = result.as_numpy("score").tolist()
    return [{"label": label, "score": score} for label, score in zip(labels, scores, strict=True)]


def refusal(**options: Any) -> tuple[str, str]:
    """The status and the sentence of a request that is refused."""
    try:
        infer([len(texts)], binary=True, **options)
    except InferenceServerException as error:
        return error.status(), error.message()
    raise AssertionError(f"{options} was not refused")


assert client.is_server_live()
assert client.is_server_ready()
assert client.is_model_ready(name)
assert not client.is_model_ready("another")
assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
metadata = client.get_model_metadata(name)
assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
(version,) = metadata["versions"]
assert refusal(model_version="0")[0] == "404"
status, sentence = refusal(parameters={"top_p": 1})
assert (status, "no parameter 'top_p'" in sentence) == ("422", True)

flat, column, asked = [len(texts)], [len(texts), 1], ("label", "score")
answers = {
    "binary": infer(flat, binary=True, outputs=asked),
    "binary, [n, 1]": infer(column, binary=True, outputs=asked, priority=1, timeout=60_000_000),
    "JSON": infer(flat, binary=False, outputs=asked),
    "JSON, [n, 1]": infer(column, binary=False, outputs=asked, sequence_id=1),
    "all outputs": infer(flat, binary=True),
    "a version": infer(flat, binary=True, model_version=version),
}


class OverGrpc:
    """The same by gRPC, where every tensor is raw."""

    def __init__(self, address: str) -> None:
        self.client = triton_grpc.InferenceServerClient(address)

    def tensor(self, shape: Sequence[int]) -> triton_grpc.InferInput:
        tensor = triton_grpc.InferInput("text", shape, "BYTES")
        encoded = numpy.array([text.encode() for text in texts], dtype=object).reshape(shape)
        return tensor.set_data_from_numpy(encoded)

    def rows(self, result: triton_grpc.InferResult) -> list[dict[str, Any]]:
        pairs = zip(result.as_numpy("label"), result.as_numpy("score").tolist(), strict=True)
        return [{"label": label.decode(), "score": score} for label, score in pairs]

    def infer(self, shape: Sequence[int], outputs: Sequence[str] = (), **options: Any) -> Any:
        wanted = [triton_grpc.InferRequestedOutput(output) for output in outputs]
        tensor = self.tensor(shape)
        result = self.client.infer(name, [tensor], outputs=wanted, request_id="r1", **options)
        assert result.get_response().id == "r1"
        return self.rows(result)

    def refusal(self, **options: Any) -> tuple[str, str]:
        try:
            self.infer(flat, **options)
        except InferenceServerException as error:
            return error.status(), error.message()
        raise AssertionError(f"{options} was not refused")

    def stream(self) -> list[dict[str, Any]]:
        """The answer to a request of a stream, which a bad request before it does not end."""
        results: queue.Queue[tuple[Any, Any]] = queue.Queue()
        self.client.start_stream(callback=lambda result, error: results.put((result, error)))
        tensor = self.tensor(flat)
        self.client.async_stream_infer("another", [tensor], request_id="s1")
        self.client.async_stream_infer(
            name, [tensor], request_id="s2", enable_empty_final_response=True
        )
        (_, error), (result, no_error) = results.get(timeout=60), results.get(timeout=60)
        self.client.stop_stream()
        assert "There is no model 'another' here" in error.message()
        assert no_error is None
        assert result.get_response().id == "s2"
        assert result.get_response().parameters["triton_final_response"].bool_param
        return self.rows(result)

    def check(self) -> None:
        assert self.client.is_server_live()
        assert self.client.is_server_ready()
        assert self.client.is_model_ready(name)
        assert self.client.get_server_metadata().name == "tryout"
        metadata = self.client.get_model_metadata(name)
        assert [output.name for output in metadata.outputs] == ["label", "score", "output"]
        assert self.refusal(model_version="0")[0] == "StatusCode.NOT_FOUND"
        status, sentence = self.refusal(parameters={"top_p": 1})
        assert status == "StatusCode.INVALID_ARGUMENT"
        assert "no parameter 'top_p'" in sentence


if address := os.environ.get("GRPC_ADDRESS"):
    over_grpc = OverGrpc(address)
    over_grpc.check()
    answers |= {
        "gRPC": over_grpc.infer(flat),
        "gRPC, asked": over_grpc.infer(column, asked, priority=1, timeout=60_000_000),
        "gRPC, a version": over_grpc.infer(flat, model_version=version, sequence_id=1),
        "gRPC, streamed": over_grpc.stream(),
    }
print(json.dumps(answers))
