"""Rows of tokens as batches and arrays of a forward pass, and its logits as those of each row."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from model.tokenizer import TokenRow


def batches(lengths: Sequence[int], *, max_tokens: int) -> list[list[int]]:
    """The indices of `lengths` grouped so that a padded batch has at most `max_tokens` tokens.

    Rows of like length are together: on a CPU padding costs as much as text, so a batch of mixed
    lengths can be slower than its rows alone. A longer row is a batch of its own.
    """
    grouped: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if grouped and (len(grouped[-1]) + 1) * lengths[i] <= max_tokens:
            grouped[-1].append(i)
        else:
            grouped.append([i])
    return grouped


def padded(
    rows: Sequence[TokenRow], *, takes: AbstractSet[str], pad_id: int | None, longest: int
) -> dict[str, NDArray[np.int64]]:
    """The inputs among `takes` of rows of at most `longest` tokens: arrays of (rows, longest)."""
    arrays = {}
    for name in rows[0].inputs:
        if name in takes:
            pad = (pad_id or 0) if name == "input_ids" else 0
            cells = [[*row.inputs[name], *[pad] * (longest - len(row))] for row in rows]
            arrays[name] = np.array(cells, dtype=np.int64)
    return arrays


def unpadded(logits: NDArray[np.float32], rows: Sequence[TokenRow]) -> list[NDArray[np.float32]]:
    """The logits of each row: (labels,), or (tokens, labels) without those of the padding."""
    if logits.ndim == 2:
        return list(logits)
    return [logits[i, : len(row)] for i, row in enumerate(rows)]
