"""Rows of tokens as the arrays of a forward pass, and its logits as those of each row."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from model.tokenizer import TokenRow


def padded(
    rows: Sequence[TokenRow], *, takes: AbstractSet[str], pad_id: int | None, longest: int
) -> dict[str, NDArray[np.int64]]:
    """The inputs among `takes` of rows of at most `longest` tokens: arrays of (rows, longest)."""
    made = {}
    for name in rows[0].inputs:
        if name in takes:
            pad = (pad_id or 0) if name == "input_ids" else 0
            cells = [[*row.inputs[name], *[pad] * (longest - len(row))] for row in rows]
            made[name] = np.array(cells, dtype=np.int64)
    return made


def unpadded(logits: NDArray[np.float32], rows: Sequence[TokenRow]) -> list[NDArray[np.float32]]:
    """The logits of each row: (labels,), or (tokens, labels) without those of the padding."""
    if logits.ndim == 2:
        return list(logits)
    return [logits[i, : len(row)] for i, row in enumerate(rows)]
