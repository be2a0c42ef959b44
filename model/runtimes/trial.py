"""Half precision against full on the machine at hand: no flag of a CPU tells how fast it is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.numbers import softmax
from model.runtimes.torch import TorchRuntime
from model.tokenizer import TokenRow

MIN_SPEEDUP = 1.2
MAX_DIFFERENCE = 0.02
TRIAL_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Trial:
    """Half precision against full on one machine: how much faster, and how far the scores differ.

    `difference` is the largest one of a probability.
    """

    speedup: float
    difference: float

    @property
    def passed(self) -> bool:
        return self.speedup >= MIN_SPEEDUP and self.difference <= MAX_DIFFERENCE

    def __str__(self) -> str:
        return (
            f"{self.speedup:.1f} times the speed of float32 here, "
            f"probabilities differ by {self.difference:.3f} at most"
        )


def compare(full: TorchRuntime, half: TorchRuntime, rows: Sequence[TokenRow]) -> Trial:
    """Computes the same rows with both, in turns, and compares medians of the times."""
    times: dict[str, list[float]] = {full.dtype: [], half.dtype: []}
    difference = 0.0
    for _ in range(TRIAL_ROUNDS):
        for row in rows:
            scores: dict[str, NDArray[np.float64] | None] = {}
            for runtime in (full, half):
                started_s = time.perf_counter()
                (logits,) = runtime.forward([row])
                times[runtime.dtype].append(time.perf_counter() - started_s)
                scores[runtime.dtype] = softmax(logits) if np.isfinite(logits).all() else None
            difference = max(difference, _largest_difference(*scores.values()))
    speedup = float(np.median(times[full.dtype]) / np.median(times[half.dtype]))
    return Trial(speedup, difference)


def _largest_difference(
    full: NDArray[np.float64] | None, half: NDArray[np.float64] | None
) -> float:
    """The largest difference of a probability; 1 if some logits were not finite."""
    return 1.0 if full is None or half is None else float(np.abs(full - half).max())
