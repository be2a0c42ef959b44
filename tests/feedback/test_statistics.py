"""Our formulas, on counts, against the libraries that have them, on raw ratings."""

import random
from collections import Counter
from math import sqrt
from statistics import fmean

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from feedback.statistics import (
    TOO_FEW,
    Agreement,
    Bin,
    calibration,
    cohen_kappa,
    difference_interval,
    krippendorff_alpha,
    sign_test,
    too_few,
    wilson_interval,
)

VALUES = ("up", "down", "unsure")
PAIRS = st.lists(st.tuples(st.sampled_from(VALUES), st.sampled_from(VALUES)), min_size=1)
RATINGS = st.lists(st.lists(st.sampled_from(VALUES), min_size=1, max_size=6), min_size=1)


# --- shares ---------------------------------------------------------------------------------------


SHARES = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(SHARES)
def test_wilson_equals_statsmodels(counts: tuple[int, int]) -> None:
    low, high = wilson_interval(*counts)
    expected = proportion_confint(*counts, method="wilson")
    assert (low, high) == pytest.approx(expected, abs=1e-9)
    assert 0 <= low <= counts[0] / counts[1] <= high <= 1


@given(SHARES, SHARES)
def test_the_difference_of_shares_equals_statsmodels(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    expected = confint_proportions_2indep(*one, *other, method="newcomb", compare="diff")
    assert difference_interval(one, other) == pytest.approx(expected, abs=1e-9)


def test_no_trials_say_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert difference_interval((0, 0), (1, 2)) == (-1.0, 1.0)
    assert difference_interval((1, 2), (0, 0)) == (-1.0, 1.0)


def test_too_few_are_those_with_a_wide_interval() -> None:
    def widest(trials: int) -> float:
        ends = [wilson_interval(successes, trials) for successes in range(trials + 1)]
        return max(high - low for low, high in ends)

    assert [too_few(trials) for trials in (0, TOO_FEW - 1, TOO_FEW)] == [True, True, False]
    assert widest(TOO_FEW) == pytest.approx(0.4, abs=0.005)
    assert widest(TOO_FEW - 1) > widest(TOO_FEW) > widest(TOO_FEW + 1)


# --- the sign test --------------------------------------------------------------------------------


SMALLEST = 1e-280  # scipy gives 0 for values that are a little smaller


@given(st.integers(0, 3000), st.integers(0, 3000))
@example(15, 1060)
def test_sign_test_equals_scipy_and_mcnemar(fixed: int, broken: int) -> None:
    assume(fixed + broken)
    p = sign_test(fixed, broken)
    assert p == pytest.approx(binomtest(fixed, fixed + broken).pvalue, rel=1e-8, abs=SMALLEST)
    table = [[7, fixed], [broken, 5]]
    assert p == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-8, abs=SMALLEST)
    assert p == sign_test(broken, fixed)
    assert 0 <= p <= 1


@pytest.mark.parametrize(
    "fixed", [0, 1, 400_000, 497_000, 498_500, 499_500, 499_999, 500_000, 501_234]
)
def test_a_million_pairs(fixed: int) -> None:
    expected = binomtest(fixed, 1_000_000).pvalue
    assert sign_test(fixed, 1_000_000 - fixed) == pytest.approx(expected, rel=1e-7, abs=SMALLEST)


def test_few_pairs_are_exact() -> None:
    assert sign_test(0, 0) == sign_test(0, 1) == sign_test(4, 4) == 1.0
    assert sign_test(0, 5) == 2 / 32
    assert sign_test(1, 5) == 14 / 64


# --- agreement ------------------------------------------------------------------------------------


@given(PAIRS)
def test_kappa_equals_statsmodels_and_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    ours = cohen_kappa(Counter(pairs))
    assert ours.n == len(pairs)
    if ours.value is None:
        assert len(set(pairs)) == 1
        return
    ones, others = zip(*pairs, strict=True)
    assert ours.value == pytest.approx(cohen_kappa_score(ones, others), abs=1e-9)
    both = Counter(pairs)
    with np.errstate(invalid="ignore"):  # it divides by an error of 0 too
        theirs = cohens_kappa([[both[one, other] for other in VALUES] for one in VALUES])
    assert ours.value == pytest.approx(theirs.kappa, abs=1e-9)
    assert -1 <= ours.low <= ours.value <= ours.high <= 1
    if theirs.var_kappa * ours.n > 1e-9:
        assert ours.low == pytest.approx(max(-1, theirs.kappa_low), abs=1e-9)
        assert ours.high == pytest.approx(min(1, theirs.kappa_upp), abs=1e-9)


@given(RATINGS)
def test_alpha_equals_krippendorffs_package(ratings: list[list[str]]) -> None:
    units = [tuple(one.count(value) for value in VALUES) for one in ratings]
    ours = krippendorff_alpha(Counter(units))
    several = [unit for unit in units if sum(unit) > 1]
    assert ours.n == len(several)
    if ours.value is None:
        assert len({value for one in ratings if len(one) > 1 for value in one}) < 2
        return
    theirs = krippendorff.alpha(
        value_counts=np.array(several), level_of_measurement="nominal", dtype=np.float64
    )
    assert ours.value == pytest.approx(theirs, abs=1e-9)
    assert -1 <= ours.low <= ours.value <= ours.high <= 1


@pytest.mark.parametrize("seed", range(5))
def test_alphas_interval_is_close_to_the_jackknifes(seed: int) -> None:
    """Which leaves out each prediction once: B. Efron 1982, chapter 3."""
    draw = random.Random(seed)
    raters, units = (2, 3, 4), []
    for _ in range(150):
        leaning, n = draw.random(), draw.choice(raters)
        ups = sum(draw.random() < leaning for _ in range(n))
        units.append((ups, n - ups))
    ours = krippendorff_alpha(Counter(units))
    left_out = [
        krippendorff.alpha(
            value_counts=np.array(units[:i] + units[i + 1 :]), level_of_measurement="nominal"
        )
        for i in range(len(units))
    ]
    mean = fmean(left_out)
    error = sqrt(sum((one - mean) ** 2 for one in left_out) * (len(units) - 1) / len(units))
    assert ours.value is not None
    assert ours.high - ours.value == pytest.approx(1.96 * error, rel=0.05)
    assert ours.value - ours.low == pytest.approx(ours.high - ours.value)


def test_predictions_with_one_rating_say_nothing_about_agreement() -> None:
    rated: dict[tuple[int, ...], int] = {(3, 1): 17, (0, 2): 4}
    assert krippendorff_alpha(rated | {(1, 0): 50, (0, 1): 9, (0, 0): 3}) == krippendorff_alpha(
        rated
    )


def test_agreement_is_undefined_where_there_is_one_verdict_only() -> None:
    nothing = Agreement(None, -1.0, 1.0, 0)
    assert cohen_kappa({}) == krippendorff_alpha({}) == nothing
    assert cohen_kappa({("up", "up"): 9}) == Agreement(None, -1.0, 1.0, 9)
    assert krippendorff_alpha({(2, 0): 9}) == Agreement(None, -1.0, 1.0, 9)


def test_a_few_who_always_agree_are_no_proof_that_all_would() -> None:
    for few, many in (
        (
            cohen_kappa({("up", "up"): 2, ("down", "down"): 1}),
            cohen_kappa({("up", "up"): 2000, ("down", "down"): 1000}),
        ),
        (krippendorff_alpha({(2, 0): 2, (0, 2): 1}), krippendorff_alpha({(2, 0): 2000, (0, 2): 9})),
    ):
        assert few.value == many.value == 1
        assert few.high == many.high == 1
        assert few.low < 0.2
        assert 0.7 < many.low < 1


def test_a_reviewer_who_always_says_the_same_is_as_good_as_chance() -> None:
    few, many = (cohen_kappa({("up", "up"): 8 * n, ("up", "down"): 2 * n}) for n in (1, 1000))
    assert few.value == many.value == 0
    assert few.low < many.low < 0 < many.high < few.high


# --- calibration ----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 15))
def test_calibration_equals_what_numpy_makes_of_each_prediction(
    raw: list[tuple[float, bool]], bins: int
) -> None:
    scores, correct = (np.array(column, dtype=float) for column in zip(*raw, strict=True))
    of = np.minimum((scores * bins).astype(int), bins - 1)
    expected = sum(
        (of == i).mean() * abs(scores[of == i].mean() - correct[of == i].mean()) for i in set(of)
    )
    counted = [
        Bin(int((of == i).sum()), float(scores[of == i].sum()), int(correct[of == i].sum()))
        for i in range(bins)
    ]
    assert calibration(counted) == pytest.approx(expected, abs=1e-9)


def test_calibration_of_nothing_is_unknown() -> None:
    assert calibration([]) is None
    assert calibration([Bin(0, 0.0, 0)]) is None
