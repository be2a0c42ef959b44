"""A histogram with fixed bounds, as Prometheus counts: cheap to add to, and never grows.

Not `prometheus_client.Histogram`, so that `model/` works without that package.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Histogram:
    """Counts of values by interval: up to each of `bounds`, and above the last bound."""

    bounds: Sequence[float]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    @classmethod
    def of_seconds(cls) -> "Histogram":
        """A histogram of times, with bounds from 0.5 ms to a minute."""
        return cls(
            (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
        )

    @classmethod
    def of_powers(cls, highest: int) -> "Histogram":
        """A histogram of sizes, with the powers of two from 1 to 2 ** highest as bounds."""
        return cls(tuple(2.0**power for power in range(highest + 1)))

    def add(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
