"""NVIDIA's client of Triton by HTTP: tensors as JSON and binary, health, metadata, errors."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy
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
print(json.dumps(answers))
