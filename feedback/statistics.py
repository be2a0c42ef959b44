"""What ratings say about a model, with how sure that is. Knows no database."""

from math import sqrt
from statistics import NormalDist


def wilson_interval(
    successes: int, trials: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """The interval of a share, honest for few trials and for shares near 0 and 1.

    Both ends within 0 to 1; (0, 1) for no trials. E. B. Wilson 1927, JASA 22(158), 209-212.
    """
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    center = share + z * z / (2 * trials)
    spread = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low, high = (center - spread) / scale, (center + spread) / scale
    # Rounding can put an end on the wrong side of a share of 0 or 1, or outside 0 to 1.
    return max(0.0, min(share, low)), min(1.0, max(share, high))
