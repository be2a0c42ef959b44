"""The memory that a model needs, estimated before a load from its files' sizes and headers."""

import json
import math
from pathlib import Path

from model.errors import ModelLoadError
from model.sources import ONNX, Listing

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
HEADROOM = 1.2  # a factor, for the memory of loading and of a forward pass


def check_memory(listing: Listing, *, dtype: str, free_bytes: int, is_second: bool = False) -> None:
    """Raises ModelLoadError if the weights as `dtype` do not fit into `free_bytes` of memory.

    `is_second`: another model is already loaded; `free_bytes` is what it left.
    """
    needed = needed_bytes(listing, dtype=dtype)
    if needed > free_bytes:
        as_stored = ONNX in listing.weights or dtype == "bfloat16"
        halves = "" if as_stored else ', or set dtype = "bfloat16"'
        beside = " beside the model that is loaded" if is_second else ""
        raise ModelLoadError(
            f"It needs about {gigabytes(needed)} of memory as {dtype} and "
            f"{gigabytes(free_bytes)} is free{beside}. Name a smaller model, or take a "
            f"machine with more memory{halves}."
        )


def needed_bytes(listing: Listing, *, dtype: str) -> int:
    """An estimate of the bytes of memory that the weights need as `dtype`.

    From the headers of safetensors files that are here; for other files from their sizes, and the
    dtype that the config names for them.
    """
    stored = str(listing.config.get("dtype") or listing.config.get("torch_dtype") or "float32")
    total = 0.0
    for name, size in listing.weights.items():
        if name.startswith(ONNX):  # in memory as on disk
            total += size
            continue
        values = _count_values(listing.folder / name)
        total += BYTES[dtype] * (size / BYTES.get(stored, 4) if values is None else values)
    return int(total * HEADROOM)


def _count_values(path: Path) -> int | None:
    """The number of weights in a safetensors file, from its header; None without such a header.

    The format: https://github.com/huggingface/safetensors#format
    """
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        header.pop("__metadata__", None)
        return int(sum(math.prod(tensor["shape"]) for tensor in header.values()))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError, AttributeError):
        return None


def gigabytes(size: int) -> str:
    """A number of bytes in words, as GB or MB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
