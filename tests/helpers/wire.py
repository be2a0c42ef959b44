"""Valid requests of every format, and the labels or generated texts in their answers."""

import csv
import io
import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

JSON = "application/json"
INFER = "/v2/models/bundled/infer"
ROWS = "/v1/models/bundled:predict"
DOCUMENT = (
    "mutation ($texts: [String!]!) { predict(texts: $texts) { ... on Prediction { label score } } }"
)


class Said(NamedTuple):
    """The label of a text, and its score; or a generated text, and 0."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Request:
    """A POST request."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON})


@dataclass(frozen=True, slots=True)
class Wire:
    """A way to ask: a request for texts, and the reading of its answer."""

    name: str
    request: Callable[[Sequence[str]], Request]
    read: Callable[[bytes], list[Said]]


def _json(
    name: str,
    path: str,
    body: Callable[[Sequence[str]], Any],
    rows: Callable[[Any], Iterable[Mapping[str, Any]]],
) -> Wire:
    return Wire(
        name,
        lambda texts: Request(path, json.dumps(body(texts)).encode()),
        lambda answer: [_said(row) for row in rows(json.loads(answer))],
    )


def _said(row: Mapping[str, Any]) -> Said:
    return Said(row["label"], row["score"])


def _tensor(texts: Sequence[str], **fields: Any) -> dict[str, Any]:
    return {"name": "text", "shape": [len(texts)], "datatype": "BYTES"} | fields


def _columns(outputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    pairs = zip(outputs["label"], outputs["score"], strict=True)
    return [{"label": label, "score": score} for label, score in pairs]


def _of_tensors(answer: Any) -> list[dict[str, Any]]:
    return _columns({output["name"]: output["data"] for output in answer["outputs"]})


def _binary(texts: Sequence[str]) -> Request:
    """A tensor after its JSON, whose length is in a header."""
    encoded = [text.encode() for text in texts]
    raw = b"".join(struct.pack("<I", len(each)) + each for each in encoded)
    tensor = _tensor(texts, parameters={"binary_data_size": len(raw)})
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    return Request(INFER, head + raw, headers)


def _lines(texts: Sequence[str]) -> Request:
    body = "".join(json.dumps(text) + "\n" for text in texts).encode()
    return Request("/invocations", body, {"Content-Type": "application/jsonlines"})


def _csv(texts: Sequence[str]) -> Request:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([text] for text in texts)
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    return Request("/invocations", file.getvalue().encode(), headers)


def _read_csv(answer: bytes) -> list[Said]:
    rows = csv.reader(io.StringIO(answer.decode(), newline=""))
    return [Said(label, float(score)) for label, score in rows]


def _most_likely(answer: Any) -> list[dict[str, Any]]:
    return [max(labels, key=lambda row: row["score"]) for labels in answer]


WIRES = (
    _json("native", "/api/predictions", lambda texts: {"texts": texts}, lambda a: a["predictions"]),
    _json("huggingface", "/api/predict", lambda texts: {"inputs": texts}, _most_likely),
    _json(
        "openinference",
        INFER,
        lambda texts: {"inputs": [_tensor(texts, data=texts)]},
        _of_tensors,
    ),
    Wire(
        "openinference-binary",
        _binary,
        lambda answer: [_said(row) for row in _of_tensors(json.loads(answer))],
    ),
    _json("rows", ROWS, lambda texts: {"instances": texts}, lambda a: a["predictions"]),
    _json(
        "columns", ROWS, lambda texts: {"inputs": {"text": texts}}, lambda a: _columns(a["outputs"])
    ),
    _json("sagemaker", "/invocations", lambda texts: {"inputs": texts}, list),
    Wire(
        "sagemaker-lines",
        _lines,
        lambda answer: [_said(json.loads(line)) for line in answer.splitlines()],
    ),
    Wire("sagemaker-csv", _csv, _read_csv),
    _json("azureml", "/score", lambda texts: {"input_data": texts}, list),
    _json(
        "graphql",
        "/graphql",
        lambda texts: {"query": DOCUMENT, "variables": {"texts": texts}},
        lambda a: a["data"]["predict"],
    ),
)

# --- a model that generates, without a chat template ----------------------------------------------

NEW_TOKENS = 8


def _growing(
    name: str, path: str, body: Callable[[Sequence[str]], Any], read: Callable[[Any], list[str]]
) -> Wire:
    return Wire(
        name,
        lambda texts: Request(path, json.dumps(body(texts)).encode()),
        lambda answer: [Said(text, 0.0) for text in read(json.loads(answer))],
    )


def _prompts(texts: Sequence[str]) -> dict[str, Any]:
    return {"model": "writer", "prompt": texts, "max_tokens": NEW_TOKENS}


GENERATING_WIRES = (
    _growing("openai", "/v1/completions", _prompts, lambda a: [c["text"] for c in a["choices"]]),
    _growing(
        "native",
        "/api/predictions",
        lambda texts: {"texts": texts, "params": {"max_new_tokens": NEW_TOKENS}},
        lambda a: [each["output"]["text"] for each in a["predictions"]],
    ),
    _growing(
        "rows",
        "/v1/models/writer:predict",
        lambda texts: {"instances": texts, "parameters": {"max_new_tokens": NEW_TOKENS}},
        lambda a: [each["output"]["text"] for each in a["predictions"]],
    ),
)


def streams(text: str) -> list[Request]:
    """Requests for a text as it grows; the answers are server-sent events."""
    params = {"max_new_tokens": NEW_TOKENS}
    bodies: dict[str, Any] = {
        "/v1/completions": _prompts([text]) | {"stream": True},
        "/api/predictions": {"texts": [text], "params": params, "stream": True},
        "/api/predict": {"inputs": text, "parameters": params, "stream": True},
    }
    return [Request(path, json.dumps(body).encode()) for path, body in bodies.items()]
