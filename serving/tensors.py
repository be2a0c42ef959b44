"""Tensors of the Open Inference Protocol: the input `text`, the outputs, and their bytes.

Knows neither HTTP nor gRPC, which both carry them.
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and its extension
for binary tensors.
"""

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeGuard

from errors import TryoutError
from feedback.records import compact_json
from model import ModelInfo, Prediction
from model.prediction import output_to_json
from serving.asking import Result
from serving.errors import Malformed, Refused

INPUT = "text"
OUTPUTS: Mapping[str, str] = {"label": "BYTES", "score": "FP64", "output": "BYTES"}
# Of a request and not of the model: a form of the answer, and what orders or groups requests.
CHANGE_NOTHING = ("priority", "sequence_id", "sequence_start", "sequence_end")
NO_SCORE = 0.0  # of a text without a score; NaN is no JSON
MAX_DIMENSIONS = 9  # of a shape that are read: two are the most that it may have
LENGTH = struct.Struct("<I")  # before each element of a BYTES tensor
MICROSECONDS = 1_000_000


class Columns(NamedTuple):
    """The outputs of some texts by name.

    `first` is a prediction of them, which names the model of all. `errors` are the sentences of the
    texts that failed, by their index; `truncated` are the indices of those that were cut. `read`
    are the texts, by index, whose characters the spans of an output count in place of its input.
    """

    first: Prediction
    values: Mapping[str, Sequence[Any]]
    errors: Mapping[int, str]
    truncated: Sequence[int]
    read: Mapping[int, str]

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the answer: errors and the other notes as JSON, where there are any."""
        notes = {"errors": self.errors, "truncated": self.truncated, "read": self.read}
        return {name: compact_json(value) for name, value in notes.items() if value}


def model_metadata(name: str, info: ModelInfo) -> dict[str, Any]:
    """The metadata of the model; its version is its revision."""
    return {
        "name": name,
        "versions": [info.revision],
        "platform": f"tryout_{info.runtime}",
        "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": output, "datatype": datatype, "shape": [-1]}
            for output, datatype in OUTPUTS.items()
        ],
    }


def require_text(name: str, datatype: str) -> None:
    """Raises Refused unless that is the model's input."""
    if name != INPUT:
        raise Refused(f"There is no input {name[:80]!r}. The input is {INPUT!r}.")
    if datatype != "BYTES":
        raise Refused(f"The datatype of {INPUT!r} is {datatype[:80]!r}. Send BYTES.")


def require_outputs(names: Iterable[str], known: Collection[str] = OUTPUTS) -> None:
    """Raises Refused for an output that is not `known`, or that is asked for twice.

    It is the answer that grows with each: a small request could ask for millions.
    """
    seen = set()
    for name in names:
        if name not in known:
            raise Refused(f"There is no output {name[:80]!r}. The outputs are {', '.join(known)}.")
        if name in seen:
            raise Refused(f"The output {name!r} is asked for twice. Ask for it once.")
        seen.add(name)


def texts_of_shape(shape: Iterable[int], *, name: str = INPUT) -> int:
    """The number of texts in a tensor; raises Refused unless its shape is [n] or [n, 1]."""
    match list(islice(shape, MAX_DIMENSIONS)):
        case [count] | [count, 1] if count >= 0:
            return count
        case other:
            raise Refused(f"The shape of {name[:80]!r} is {str(other)[:80]}. Send [n] or [n, 1].")


def texts_of(encoded: Sequence[bytes], count: int, *, where: str) -> list[str]:
    """The texts of the field `where`, which has each of them as bytes.

    Raises Refused unless there are `count`, Malformed for bytes that are not UTF-8.
    """
    if len(encoded) != count:
        raise Refused(
            f"{where} has {len(encoded):,} texts, and there are {count:,} by the tensor's shape."
        )
    return [_decoded(raw, number, count) for number, raw in enumerate(encoded, start=1)]


def read_bytes(raw: bytes, count: int) -> list[str]:
    """The `count` texts of a BYTES tensor.

    Raises Malformed if the bytes are those of fewer or more texts, or not UTF-8.
    """
    texts, at = [], 0
    for number in range(1, count + 1):
        if len(raw) - at < LENGTH.size:
            raise Malformed(
                f"The bytes of {INPUT!r} end before text {number} of {count}. "
                "Each text is its length as 4 bytes, little-endian, and then its bytes."
            )
        (size,) = LENGTH.unpack_from(raw, at)
        at += LENGTH.size
        if size > len(raw) - at:
            raise Malformed(
                f"Text {number} of {count} has {size:,} bytes by its length; "
                f"{len(raw) - at:,} are left."
            )
        texts.append(_decoded(raw[at : at + size], number, count))
        at += size
    if at < len(raw):
        raise Malformed(
            f"The bytes of {INPUT!r} go on for {len(raw) - at:,} bytes after text {count}, "
            "which is the last by the shape."
        )
    return texts


def _decoded(raw: bytes, number: int, count: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Malformed(
            f"Text {number} of {count} is not UTF-8: byte {error.start} is "
            f"{raw[error.start]:#04x}. Encode texts as UTF-8."
        ) from error


def write_bytes(name: str, values: Sequence[Any]) -> bytes:
    """The output `name` as a binary tensor."""
    if OUTPUTS[name] == "FP64":
        return struct.pack(f"<{len(values)}d", *values)
    encoded = [value.encode() for value in values]
    return b"".join(part for each in encoded for part in (LENGTH.pack(len(each)), each))


def model_params(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """The model's parameters among those of a request, and the most seconds that a text may wait.

    Raises Refused for a timeout that is no number of microseconds.
    """
    params = {name: value for name, value in parameters.items() if name not in CHANGE_NOTHING}
    timeout_us = params.pop("timeout", 0)
    if type(timeout_us) is not int or not 0 <= timeout_us < 2**63:
        raise Refused(f"timeout is {timeout_us!r:.80}; it is a whole number of microseconds.")
    return params, timeout_us / MICROSECONDS or float("inf")


def columns(results: Sequence[Result]) -> Columns:
    """The outputs of `results`; a text that failed has empty ones, and its sentence.

    Raises the first error if all have failed.
    """
    errors = {i: result for i, result in enumerate(results) if isinstance(result, TryoutError)}
    if len(errors) == len(results):
        raise errors[0]
    rows = [_row(result) for result in results]
    values = dict(zip(OUTPUTS, zip(*rows, strict=True), strict=True))
    return Columns(
        next(result for result in results if isinstance(result, Prediction)),
        values,
        {i: str(error) for i, error in errors.items()},
        [i for i, result in enumerate(results) if _is_cut(result)],
        {i: result.spanned for i, result in enumerate(results) if _has_spans_elsewhere(result)},
    )


def _is_cut(result: Result) -> bool:
    return isinstance(result, Prediction) and result.truncated


def _has_spans_elsewhere(result: Result) -> TypeGuard[Prediction]:
    if not isinstance(result, Prediction):
        return False
    return result.answer_kind == "spans" and result.spans_of == "read"


def _row(result: Result) -> tuple[str, float, str]:
    if isinstance(result, TryoutError):
        return "", NO_SCORE, ""
    score = NO_SCORE if result.score is None else result.score
    return result.label, score, compact_json(output_to_json(result.output))
