"""A trial of half precision on this machine, since no flag of a CPU gives its speed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.numbers import softmax
from model.runtimes.torch import TorchRuntime
from model.tokenizer import TokenRow

MIN_SPEEDUP = 1.2
MAX_DIFFERENCE = 0.02  # of a probability
TRIAL_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of a trial: the speed of half precision, as a multiple of full precision's.

    `difference` is the largest difference of a probability, 0 to 1.
    """

    speedup: float
    difference: float

    @property
    def passed(self) -> bool:
        """True if half precision is faster and gives the same scores."""
        return self.speedup >= MIN_SPEEDUP and self.difference <= MAX_DIFFERENCE

    def __str__(self) -> str:
        return (
            f"{self.speedup:.1f} times the speed of float32 here, "
            f"probabilities differ by {self.difference:.3f} at most"
        )


def compare(full: TorchRuntime, half: TorchRuntime, rows: Sequence[TokenRow]) -> Trial:
    """The trial of `half` against `full`: both compute the same rows, in turns.

    The speeds are compared by the medians of the times.
    """
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
    """The largest difference of a probability; 1 if logits were not finite, given as None."""
    return 1.0 if full is None or half is None else float(np.abs(full - half).max())
