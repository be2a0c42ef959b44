"""Shares, agreement and calibration of ratings, with their intervals. Knows no database.

All of it is computed from counts, which a database has at once, and never from a list of ratings.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, exp, lgamma, log, sqrt
from statistics import NormalDist

TOO_FEW = 20
EXACT_TO = 1000  # a binomial coefficient up to here is computed as a whole number
NO_SPREAD = 1e-12  # rounding leaves less than this of a variance of 0


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of ratings beyond chance: 1 always, 0 as by chance; with the ends of 95 %.

    `value` is None if chance alone would agree always, and then the ends are -1 and 1. `n` is the
    number of predictions.
    """

    value: float | None
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of like scores: their number, the sum of their scores, the number correct."""

    n: int
    score_sum: float
    correct: int


def too_few(trials: int) -> bool:
    """True if a share of so many trials says too little to be shown.

    With 20 the 95 % interval of a share of a half is 0.4 wide, and of any other narrower.
    """
    return trials < TOO_FEW


def wilson_interval(
    successes: float, trials: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """The interval of a share, accurate for few trials and for shares near 0 and 1.

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


def difference_interval(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """The 95 % interval of the first share less the second, each (successes, trials); -1 to 1.

    From both Wilson intervals: R. G. Newcombe 1998, Statistics in Medicine 17, 873-890, method 10.
    (-1, 1) if either has no trials.
    """
    if not (first[1] and second[1]):
        return -1.0, 1.0
    (low, high), (other_low, other_high) = wilson_interval(*first), wilson_interval(*second)
    share, other_share = first[0] / first[1], second[0] / second[1]
    difference = share - other_share
    below = sqrt((share - low) ** 2 + (other_high - other_share) ** 2)
    above = sqrt((high - share) ** 2 + (other_share - other_low) ** 2)
    return difference - below, difference + above


def sign_test(wins: int, losses: int) -> float:
    """The probability of a split at least this uneven if both sides are equally likely, 0 to 1.

    The exact two-sided binomial p value; 1 for no trials. Of predictions fixed and broken it is
    McNemar's exact test: Q. McNemar 1947, Psychometrika 12, 153-157.
    """
    n, fewer = wins + losses, min(wins, losses)
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
    """The probability of k heads of n coins; 0 if it is less than a float can hold."""
    if n <= EXACT_TO:
        return comb(n, k) / (1 << n)
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2))


def cohen_kappa(both: Mapping[tuple[str, str], int]) -> Agreement:
    """The agreement of two reviewers on the predictions that both rated.

    `both` counts these by the verdict of the first and of the second reviewer. J. Cohen 1960,
    Educational and Psychological Measurement 20, 37-46; the large-sample error of Fleiss, Cohen &
    Everitt 1969, Psychological Bulletin 72, 323-327.
    """
    n = sum(both.values())
    firsts, seconds = Counter[str](), Counter[str]()
    for (first, second), count in both.items():
        firsts[first] += count
        seconds[second] += count
    by_chance = sum(firsts[verdict] * seconds[verdict] for verdict in firsts)
    if by_chance == n * n:  # also without predictions
        return Agreement(None, -1.0, 1.0, n)
    seen = sum(count for (first, second), count in both.items() if first == second) / n
    expected = by_chance / (n * n)
    kappa = (seen - expected) / (1 - expected)
    squares = sum(
        count / n * ((first == second) - (1 - kappa) * (seconds[first] + firsts[second]) / n) ** 2
        for (first, second), count in both.items()
    )
    variance = (squares - (kappa - expected * (1 - kappa)) ** 2) / (1 - expected) ** 2
    return _agreement(kappa, variance, n, seen=seen, expected=expected)


def krippendorff_alpha(units: Mapping[tuple[int, ...], int]) -> Agreement:
    """The agreement of any number of reviewers, whichever of them rated which prediction.

    `units` counts predictions by their numbers of ratings of each value: {(3, 1): 17} is 17
    predictions with three ratings of the first value and one of the second. A prediction with
    fewer than two ratings does not count. Nominal alpha: K. Krippendorff 2011, "Computing
    Krippendorff's Alpha-Reliability". The ends are the delta method's over predictions, which are
    drawn independently as ratings of one prediction are not (the infinitesimal jackknife: B. Efron
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
    """A value with its ends, from the variance of a single prediction.

    The variance is 0 if all predictions are alike, as when all reviewers agree; three predictions
    would then be certain. So the ends are Wilson's, of the share that was `seen` to agree.
    """
    if variance > NO_SPREAD:
        spread = _z(0.95) * sqrt(variance / n)
        low, high = value - spread, value + spread
    else:
        low, high = ((end - expected) / (1 - expected) for end in wilson_interval(seen * n, n))
    return Agreement(value, max(-1.0, min(value, low)), min(1.0, max(value, high)), n)


def calibration(bins: Sequence[Bin]) -> float | None:
    """The expected calibration error: the distance of scores from the share correct, 0 to 1.

    The mean over predictions of that distance in their bin; None for no predictions. Guo et al.
    2017, https://arxiv.org/abs/1706.04599, section 2.
    """
    n = sum(bin.n for bin in bins)
    return sum(abs(bin.score_sum - bin.correct) for bin in bins) / n if n else None


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
