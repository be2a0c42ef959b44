"""The drift between two batches, from counts. Knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass

MARGIN_BINS = 100
CHARS_BINS_PER_DOUBLING = 8


@dataclass(frozen=True, slots=True)
class Distribution:
    """Predictions of a batch by label, by bin of their margin, and by bin of their text's length.

    A margin of m is in bin int(m * 100), at most 99; a text of n characters in int(8 * log2(n)).
    """

    labels: Mapping[str, int]
    margins: Mapping[int, int]
    chars: Mapping[int, int]
