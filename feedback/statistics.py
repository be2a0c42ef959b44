"""What ratings say about a model, with how sure that is. Knows no database.

Everything is made of counts, which a database has at once, and never of one element a rating.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, exp, lgamma, log, sqrt
from statistics import NormalDist

TOO_FEW = 20
EXACT_TO = 1000  # a binomial coefficient up to here is computed as a whole number
NO_SPREAD = 1e-12  # what rounding leaves of a variance of 0


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far ratings agree beyond chance: 1 always, 0 as by chance; the ends of 95 %.

    `value` is None where chance alone would agree always, and then the ends are -1 and 1. `n` is
    the number of predictions that it is made of.
    """

    value: float | None
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of like scores: how many, the sum of their scores, how many were correct."""

    n: int
    score_sum: float
    correct: int


def too_few(trials: int) -> bool:
    """Whether a share of so many says too little to be told.

    With 20 the 95 % interval of a share of a half is 0.4 wide, and of any other narrower.
    """
    return trials < TOO_FEW


def wilson_interval(
    successes: float, trials: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """The interval of a share, honest for few trials and for shares near 0 and 1.

    Both ends within 0 to 1; (0, 1) for no trials. E. B. Wilson 1927, JASA 22(158), 209-212.
    """
    if trials == 0:
        return 0.0, 1.0
    z = _z(confidence)
    share = successes / trials
    center = share + z * z / (2 * trials)
    spread = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low, high = (center - spread) / scale, (center + spread) / scale
    # Rounding can put an end on the wrong side of a share of 0 or 1, or outside 0 to 1.
    return max(0.0, min(share, low)), min(1.0, max(share, high))


def difference_interval(one: tuple[int, int], other: tuple[int, int]) -> tuple[float, float]:
    """The 95 % interval of one share less another, each (successes, trials); within -1 to 1.

    Made of both Wilson intervals: R. G. Newcombe 1998, Statistics in Medicine 17, 873-890,
    method 10. (-1, 1) where one has no trials.
    """
    if not (one[1] and other[1]):
        return -1.0, 1.0
    (low, high), (other_low, other_high) = wilson_interval(*one), wilson_interval(*other)
    share, other_share = one[0] / one[1], other[0] / other[1]
    difference = share - other_share
    below = sqrt((share - low) ** 2 + (other_high - other_share) ** 2)
    above = sqrt((high - share) ** 2 + (other_share - other_low) ** 2)
    return difference - below, difference + above


def sign_test(one: int, other: int) -> float:
    """How likely a split is at least this uneven if both sides are equally likely, 0 to 1.

    The exact two-sided binomial p value; 1 for no trials. Of predictions fixed and broken it is
    McNemar's exact test: Q. McNemar 1947, Psychometrika 12, 153-157.
    """
    n, fewer = one + other, min(one, other)
    if 2 * fewer == n:
        return 1.0
    # From the likeliest term of the tail outwards, until the rest changes nothing.
    term, tail = _half_binomial(n, fewer), 0.0
    while term > tail * 1e-17:
        tail += term
        term *= fewer / (n - fewer + 1)
        fewer -= 1
    return min(1.0, 2 * tail)


def _half_binomial(n: int, k: int) -> float:
    """The probability of k heads of n coins; 0 where it is less than a float can be."""
    if n <= EXACT_TO:
        return comb(n, k) / (1 << n)
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2))


def cohen_kappa(both: Mapping[tuple[str, str], int]) -> Agreement:
    """How far two reviewers agree, from how often they said what about the same predictions.

    `both` counts by the verdicts of one and of the other. J. Cohen 1960, Educational and
    Psychological Measurement 20, 37-46; the large-sample error of Fleiss, Cohen & Everitt 1969,
    Psychological Bulletin 72, 323-327.
    """
    n = sum(both.values())
    ones, others = Counter[str](), Counter[str]()
    for (one, other), count in both.items():
        ones[one] += count
        others[other] += count
    by_chance = sum(ones[verdict] * others[verdict] for verdict in ones)
    if by_chance == n * n:  # as with none
        return Agreement(None, -1.0, 1.0, n)
    seen = sum(count for (one, other), count in both.items() if one == other) / n
    expected = by_chance / (n * n)
    kappa = (seen - expected) / (1 - expected)
    squares = sum(
        count / n * ((one == other) - (1 - kappa) * (others[one] + ones[other]) / n) ** 2
        for (one, other), count in both.items()
    )
    variance = (squares - (kappa - expected * (1 - kappa)) ** 2) / (1 - expected) ** 2
    return _agreement(kappa, variance, n, seen=seen, expected=expected)


def krippendorff_alpha(units: Mapping[tuple[int, ...], int]) -> Agreement:
    """How far any number of reviewers agree, whichever of them rated which prediction.

    `units` counts predictions by how many ratings of each value they have: {(3, 1): 17} is 17
    predictions with three ratings of the first value and one of the second. One with fewer than
    two ratings does not count. Nominal alpha: K. Krippendorff 2011, "Computing Krippendorff's
    Alpha-Reliability". The ends are the delta method's over predictions, which are drawn
    independently as ratings of one prediction are not (the infinitesimal jackknife: B. Efron
    1982, "The Jackknife, the Bootstrap and Other Resampling Plans", chapter 6).
    """
    rated = {values: count for values, count in units.items() if sum(values) > 1}
    n = sum(rated.values())
    of_value: list[int] = [
        sum(value * count for value, count in zip(column, rated.values(), strict=True))
        for column in zip(*rated, strict=True)
    ]
    ratings = sum(of_value)
    unlike = ratings * ratings - sum(count * count for count in of_value)  # pairs of all ratings
    if unlike == 0:
        return Agreement(None, -1.0, 1.0, n)
    disagreed = sum(_disagreement(values) * count for values, count in rated.items())
    ratio = (ratings - 1) * disagreed / unlike

    def influence(values: tuple[int, ...]) -> float:
        """The derivative of alpha by the number of such predictions."""
        more = (ratings - 1) * _disagreement(values) + sum(values) * disagreed
        crossed = sum(value * count for value, count in zip(values, of_value, strict=True))
        return (2 * ratio * (ratings * sum(values) - crossed) - more) / unlike

    influences = {values: influence(values) for values in rated}
    mean = sum(influences[values] * count for values, count in rated.items()) / n
    squares = sum((influences[values] - mean) ** 2 * count for values, count in rated.items())
    return _agreement(
        1 - ratio,
        squares * n * n / max(1, n - 1),
        n,
        seen=1 - disagreed / ratings,
        expected=1 - unlike / (ratings * (ratings - 1)),
    )


def _disagreement(values: tuple[int, ...]) -> float:
    """The unlike pairs of ratings of one prediction, each rating counted once in all."""
    ratings = sum(values)
    return (ratings * ratings - sum(value * value for value in values)) / (ratings - 1)


def _agreement(value: float, variance: float, n: int, *, seen: float, expected: float) -> Agreement:
    """A value with its ends, from the variance that one prediction brings.

    That is 0 where every prediction is alike, as when all agree, and would make three of them
    certain. Then the ends are Wilson's of the share that was `seen` to agree.
    """
    if variance > NO_SPREAD:
        spread = _z(0.95) * sqrt(variance / n)
        low, high = value - spread, value + spread
    else:
        low, high = ((end - expected) / (1 - expected) for end in wilson_interval(seen * n, n))
    return Agreement(value, max(-1.0, min(value, low)), min(1.0, max(value, high)), n)


def calibration(bins: Sequence[Bin]) -> float | None:
    """The expected calibration error: how far scores are from the share that is correct, 0 to 1.

    The mean over predictions of that distance in their bin; None for no predictions. Guo et al.
    2017, https://arxiv.org/abs/1706.04599, section 2.
    """
    n = sum(one.n for one in bins)
    return sum(abs(one.score_sum - one.correct) for one in bins) / n if n else None


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
