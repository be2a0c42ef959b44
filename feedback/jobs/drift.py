"""The drift between two batches: shares of labels, margins, and lengths of texts, with tests.

All of it is computed from counts, which the log keeps. Knows no database.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import erfc, exp, lgamma, log, sqrt
from typing import Any, Literal

from feedback.statistics import too_few

Measure = Literal["labels", "margins", "lengths"]

MARGIN_BINS = 100
CHARS_BINS_PER_DOUBLING = 8
EXPECTED = 5  # predictions of a label in each batch, else chi-squared is no good approximation
SIGNIFICANT = 0.01  # p values: of a test a week, one in two years is less by chance
SMALL_EFFECT = 0.1  # J. Cohen 1988, "Statistical Power Analysis", chapter 7; so are the next two
MEDIUM_EFFECT = 0.3
LARGE_EFFECT = 0.5
REST = "\0rest"  # the labels that are counted together; no label of a model has a NUL


@dataclass(frozen=True, slots=True)
class Distribution:
    """Predictions of a batch by label, by bin of their margin, and by bin of their text's length.

    A margin of m is in bin int(m * 100), at most 99; a text of n characters in int(8 * log2(n)).
    """

    labels: Mapping[str, int]
    margins: Mapping[int, int]
    chars: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The difference of two batches in one measure.

    `p` is the probability of a difference at least this large by chance, None if there are too few
    predictions to tell. `effect` of labels is Cramér's V, 0 to 1; of margins and lengths the
    rank-biserial correlation, -1 (all are lower now) to 1. `before` and `now` are the numbers of
    predictions. `pooled` labels are so rare that they are counted as one.
    """

    measure: Measure
    effect: float
    p: float | None
    before: int
    now: int
    pooled: int = 0

    @property
    def is_clear(self) -> bool:
        """True if it is not by chance, and large enough to matter."""
        return self.p is not None and self.p < SIGNIFICANT and abs(self.effect) >= SMALL_EFFECT

    @property
    def size(self) -> str:
        """The effect in a word."""
        size = abs(self.effect)
        if size < SMALL_EFFECT:
            return "negligible"
        return "small" if size < MEDIUM_EFFECT else "medium" if size < LARGE_EFFECT else "large"


@dataclass(frozen=True, slots=True)
class LabelShare:
    """The share of a label among the predictions of each batch, 0 to 1."""

    label: str
    before: float
    now: float

    @property
    def change(self) -> float:
        return self.now - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The differences of two batches; `shares` has the labels whose share changed most first.

    Medians are (before, now), None without predictions that have a margin or a text.
    """

    labels: Shift
    margins: Shift
    lengths: Shift
    shares: tuple[LabelShare, ...]
    median_margins: tuple[float, float] | None
    median_chars: tuple[float, float] | None

    @property
    def shifts(self) -> tuple[Shift, Shift, Shift]:
        return self.labels, self.margins, self.lengths

    @property
    def effect(self) -> float:
        """The largest effect that is not by chance, 0 to 1; 0 if there is none."""
        clear = (s for s in self.shifts if s.p is not None and s.p < SIGNIFICANT)
        return max((abs(shift.effect) for shift in clear), default=0.0)

    @property
    def too_few(self) -> bool:
        """True if a batch has too few predictions for any test."""
        return all(shift.p is None for shift in self.shifts)


def drift(before: Distribution, now: Distribution) -> Drift:
    """The differences of the predictions `now` from those `before`."""
    return Drift(
        labels=_label_shift(before.labels, now.labels),
        margins=_bin_shift("margins", before.margins, now.margins),
        lengths=_bin_shift("lengths", before.chars, now.chars),
        shares=_shares(before.labels, now.labels),
        median_margins=_medians(before.margins, now.margins, _margin_of),
        median_chars=_medians(before.chars, now.chars, _chars_of),
    )


def sentences(change: Drift, name_of: Callable[[str], str] = str) -> list[str]:
    """The differences that are clear, in words, the largest first; else that there is none.

    `name_of` gives the names of labels.
    """
    if change.too_few:
        least = min(change.labels.before, change.labels.now)
        return [f"Too few predictions to compare: one of the batches has {least:,}."]
    clear = sorted(
        (shift for shift in change.shifts if shift.is_clear), key=lambda shift: -abs(shift.effect)
    )
    if clear:
        return [_sentence(change, shift, name_of) for shift in clear]
    if change.shares and change.labels.p is not None:
        most = change.shares[0]
        if abs(most.change) >= 0.0005:
            return [f"Nothing moved much. The share that changed most: {_in_words(most, name_of)}."]
    return ["Nothing moved much."]


def drift_to_json(change: Drift) -> dict[str, Any]:
    """The differences as values that JSON can hold; the tests and effects of each measure."""
    return {
        "effect": round(change.effect, 4),
        "measures": {
            shift.measure: {
                "effect": round(shift.effect, 4),
                "p": shift.p,
                "before": shift.before,
                "now": shift.now,
            }
            for shift in change.shifts
        },
        "sentences": sentences(change),
    }


def _sentence(change: Drift, shift: Shift, name_of: Callable[[str], str]) -> str:
    if shift.measure == "labels":
        return f"The shares of labels changed, most of all {_in_words(change.shares[0], name_of)}."
    if shift.measure == "margins":
        word = "surer" if shift.effect > 0 else "less sure"
        medians, digits = change.median_margins, ".2f"
    else:
        word = "longer" if shift.effect > 0 else "shorter"
        medians, digits = change.median_chars, ",.0f"
    before, now = (format(median, digits) for median in medians or (0.0, 0.0))
    if shift.measure == "margins":
        return f"The model is {word}: the median margin was {before} and is {now}."
    return f"The texts are {word}: the median length was {before} characters and is {now}."


def _in_words(share: LabelShare, name_of: Callable[[str], str]) -> str:
    """A label with its share before and now."""
    label = name_of(share.label) or "no label"
    return f"{label}, {_percent(share.before)} before and {_percent(share.now)} now"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


# --- labels ---------------------------------------------------------------------------------------


def _shares(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[LabelShare, ...]:
    """All labels, those whose share changed most first."""
    n_before, n_now = sum(before.values()), sum(now.values())
    shares = (
        LabelShare(
            label, before.get(label, 0) / max(1, n_before), now.get(label, 0) / max(1, n_now)
        )
        for label in before.keys() | now.keys()
    )
    return tuple(sorted(shares, key=lambda share: (-abs(share.change), share.label)))


def _label_shift(before: Mapping[str, int], now: Mapping[str, int]) -> Shift:
    """The chi-squared test of homogeneity, and Cramér's V.

    V is that of two batches of one size with these shares: plain V falls towards 0 if one batch is
    much larger, however much the shares differ.
    """
    table, pooled = pooled_labels(before, now)
    n_before, n_now = (sum(counts[side] for counts in table.values()) for side in (0, 1))
    p, effect = None, 0.0
    if n_before and n_now:
        pairs = [(b / n_before, n / n_now) for b, n in table.values()]
        halves = sum((b - n) ** 2 / (b + n) for b, n in pairs) / 2
        effect = sqrt(min(1.0, halves))
    if not (too_few(n_before) or too_few(n_now)):
        p = chi_squared_p(_chi_squared(table.values(), n_before, n_now), len(table) - 1)
    return Shift(measure="labels", effect=effect, p=p, before=n_before, now=n_now, pooled=pooled)


def pooled_labels(
    before: Mapping[str, int], now: Mapping[str, int]
) -> tuple[dict[str, tuple[int, int]], int]:
    """The numbers of each label before and now, and the number of rare labels under REST.

    A label is rare if fewer than five are expected in the smaller batch (W. G. Cochran 1954,
    Biometrics 10, 417-451). If all rare ones together are rare, the least frequent other is too.
    """
    counts = {
        label: (before.get(label, 0), now.get(label, 0)) for label in before.keys() | now.keys()
    }
    counts = {label: pair for label, pair in counts.items() if sum(pair)}
    n_before, n_now = sum(before.values()), sum(now.values())
    smaller, n = min(n_before, n_now), n_before + n_now

    def is_rare(total: int) -> bool:
        return total * smaller < EXPECTED * n

    by_total = sorted(counts, key=lambda label: (sum(counts[label]), label))
    rare = [label for label in by_total if is_rare(sum(counts[label]))]
    others = by_total[len(rare) :]
    while rare and others and is_rare(sum(sum(counts[label]) for label in rare)):
        rare.append(others.pop(0))
    if len(rare) < 2:  # nothing to be counted together
        return counts, 0
    rest = (sum(counts[label][0] for label in rare), sum(counts[label][1] for label in rare))
    return {label: counts[label] for label in others} | {REST: rest}, len(rare)


def _chi_squared(pairs: Iterable[tuple[int, int]], n_before: int, n_now: int) -> float:
    """The statistic; each label of `pairs` is in one of the batches at least."""
    # (b - eb)^2 / eb + (w - ew)^2 / ew for two columns, without the subtraction of large floats
    return sum((b * n_now - w * n_before) ** 2 / ((b + w) * n_before * n_now) for b, w in pairs)


def chi_squared_p(value: float, degrees: int) -> float:
    """The probability of a chi-squared of at least `value`; 1 for no degrees of freedom.

    The sum for whole degrees: Abramowitz & Stegun 1964, 26.4.4 and 26.4.5.
    """
    half = value / 2
    if degrees < 1 or half <= 0:
        return 1.0
    tail = erfc(sqrt(half)) if degrees % 2 else exp(-half)
    a = 0.5 if degrees % 2 else 1.0
    while a < degrees / 2:
        tail += exp(a * log(half) - half - lgamma(a + 1))
        a += 1
    return min(1.0, tail)


# --- margins and lengths --------------------------------------------------------------------------


def _bin_shift(measure: Measure, before: Mapping[int, int], now: Mapping[int, int]) -> Shift:
    """The Mann-Whitney test over bins, and the rank-biserial correlation.

    A bin is a tie. The normal approximation with the corrections for ties and continuity: M.
    Hollander & D. A. Wolfe 1999, "Nonparametric Statistical Methods", 4.1; the correlation: E. E.
    Cureton 1956, Psychometrika 21, 287-290.
    """
    n_before, n_now = sum(before.values()), sum(now.values())
    pairs = n_before * n_now
    if not pairs:
        return Shift(measure=measure, effect=0.0, p=None, before=n_before, now=n_now)
    lower = 0  # predictions before in lower bins
    twice_higher = 0  # pairs in which the one now is higher, a tie for a half, times two
    ties = 0
    for at in sorted(before.keys() | now.keys()):
        here_before, here_now = before.get(at, 0), now.get(at, 0)
        twice_higher += here_now * (2 * lower + here_before)
        lower += here_before
        ties += (here_before + here_now) ** 3 - (here_before + here_now)
    p = None
    if not (too_few(n_before) or too_few(n_now)):
        n = n_before + n_now
        variance = pairs / 12 * (n + 1 - ties / (n * (n - 1)))
        distance = max(0.0, abs(twice_higher - pairs) / 2 - 0.5)
        p = erfc(distance / sqrt(2 * variance)) if variance > 0 else 1.0
    effect = (twice_higher - pairs) / pairs
    return Shift(measure=measure, effect=effect, p=p, before=n_before, now=n_now)


def _medians(
    before: Mapping[int, int], now: Mapping[int, int], value_of: Callable[[int], float]
) -> tuple[float, float] | None:
    if not (sum(before.values()) and sum(now.values())):
        return None
    return value_of(_median_bin(before)), value_of(_median_bin(now))


def _median_bin(bins: Mapping[int, int]) -> int:
    """The bin of the lower median."""
    n = sum(bins.values())
    ordered = sorted(bins)
    reached = accumulate(bins[at] for at in ordered)
    return next(at for at, so_far in zip(ordered, reached, strict=True) if 2 * so_far >= n)


def _margin_of(at: int) -> float:
    """The middle of a bin of margins."""
    return (at + 0.5) / MARGIN_BINS


def _chars_of(at: int) -> float:
    """The middle of a bin of lengths, in characters."""
    return float(2 ** ((at + 0.5) / CHARS_BINS_PER_DOUBLING))
