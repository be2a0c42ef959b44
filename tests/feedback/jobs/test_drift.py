"""Drift, from counts, against scipy on raw values and on tables."""

import json
import random
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency, mannwhitneyu
from scipy.stats.contingency import association

from feedback.jobs.drift import (
    EXPECTED,
    REST,
    Distribution,
    Drift,
    chi_squared_p,
    drift,
    drift_to_json,
    pooled_labels,
    sentences,
)

NONE = Distribution({}, {}, {})
COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 400), min_size=1)
BINS = st.dictionaries(st.integers(0, 99), st.integers(1, 60), min_size=1)


def of_labels(before: Mapping[str, int], now: Mapping[str, int]) -> Drift:
    return drift(Distribution(before, {}, {}), Distribution(now, {}, {}))


def of_margins(before: Mapping[int, int], now: Mapping[int, int]) -> Drift:
    return drift(Distribution({}, before, {}), Distribution({}, now, {}))


def raw(bins: Mapping[int, int]) -> list[int]:
    return list(Counter(bins).elements())


# --- labels ---------------------------------------------------------------------------------------


@given(st.floats(1e-3, 2000), st.integers(1, 300))
def test_the_tail_of_chi_squared_equals_scipy(value: float, degrees: int) -> None:
    assert chi_squared_p(value, degrees) == pytest.approx(chi2.sf(value, degrees), rel=1e-8)


@given(COUNTS, COUNTS)
def test_labels_are_tested_as_scipy_does(before: dict[str, int], now: dict[str, int]) -> None:
    table, _ = pooled_labels(before, now)
    found = of_labels(before, now).labels
    assume(found.p is not None)
    if len(table) == 1:
        assert (found.p, found.effect) == (1.0, 0.0)
        return
    expected = chi2_contingency(np.array(list(table.values())), correction=False)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-7, abs=1e-300)


@given(COUNTS)
def test_the_effect_is_cramers_v_of_batches_of_one_size(before: dict[str, int]) -> None:
    labels, numbers = list(before), list(before.values())
    now = dict(zip(labels, numbers[::-1], strict=True))
    table, _ = pooled_labels(before, now)
    assume(len(table) > 1)
    expected = association(np.array(list(table.values())), method="cramer", correction=False)
    assert of_labels(before, now).labels.effect == pytest.approx(expected, abs=1e-12)


def test_the_effect_does_not_depend_on_the_size_of_a_batch() -> None:
    now = {"good": 900, "bad": 100}
    small = of_labels({"good": 500, "bad": 500}, now).labels
    huge = of_labels({"good": 5_000_000, "bad": 5_000_000}, now).labels
    assert huge.effect == pytest.approx(small.effect)
    assert huge.size == "medium"


@given(
    st.dictionaries(st.integers(0, 60), st.integers(0, 40)),
    st.dictionaries(st.integers(0, 60), st.integers(0, 400)),
)
def test_after_pooling_nothing_is_rare_and_nothing_is_lost(
    before_numbers: dict[int, int], now_numbers: dict[int, int]
) -> None:
    before, now = ({f"l{k}": n for k, n in ns.items()} for ns in (before_numbers, now_numbers))
    table, pooled = pooled_labels(before, now)
    assert sum(pair[0] for pair in table.values()) == sum(before.values())
    assert sum(pair[1] for pair in table.values()) == sum(now.values())
    assert (REST in table) == (pooled > 0)
    n_before, n_now = sum(before.values()), sum(now.values())
    if len(table) > 2:
        for pair in table.values():
            smaller = min(n_before, n_now)
            assert sum(pair) * smaller >= EXPECTED * (n_before + n_now) or REST not in table


def test_a_single_rare_label_is_pooled_with_the_next() -> None:
    before, now = {"a": 1000, "b": 500, "c": 1}, {"a": 1000, "b": 500, "c": 2}
    table, pooled = pooled_labels(before, now)
    assert table == {"a": (1000, 1000), REST: (501, 502)}
    assert pooled == 2


# --- margins and lengths --------------------------------------------------------------------------


@given(BINS, BINS)
def test_margins_are_tested_as_scipy_does(before: dict[int, int], now: dict[int, int]) -> None:
    found = of_margins(before, now).margins
    tested = mannwhitneyu(raw(now), raw(before), method="asymptotic")
    pairs = sum(before.values()) * sum(now.values())
    assert found.effect == pytest.approx(2 * tested.statistic / pairs - 1, abs=1e-12)
    if found.p is not None:
        # scipy's is no number if all values are the same, and over 1 for a difference of a half
        expected = 1.0 if np.isnan(tested.pvalue) else min(1.0, tested.pvalue)
        assert found.p == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_longer_texts_and_lower_margins_have_opposite_signs() -> None:
    low, high = {10: 50, 20: 50}, {40: 50, 50: 50}
    found = drift(Distribution({}, high, low), Distribution({}, low, high))
    assert (found.margins.effect, found.lengths.effect) == (-1.0, 1.0)
    assert found.median_margins == (0.405, 0.105)
    said = " ".join(sentences(found))
    assert "The model is less sure: the median margin was 0.41 and is 0.10." in said
    assert "The texts are longer: the median length was 2 characters and is 33." in said


# --- few, many, none ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (NONE, NONE),
        (NONE, Distribution({"a": 500}, {3: 500}, {30: 500})),
        (Distribution({"a": 19}, {3: 19}, {30: 19}), Distribution({"b": 900}, {9: 9}, {9: 900})),
    ],
)
def test_too_few_predictions_are_not_tested(before: Distribution, now: Distribution) -> None:
    found = drift(before, now)
    assert found.too_few
    assert found.effect == 0.0
    (sentence,) = sentences(found)
    assert sentence.startswith("Too few predictions to compare: one of the batches has ")


def test_one_label_alone_has_not_moved() -> None:
    same = Distribution({"a": 100}, {5: 100}, {20: 100})
    found = drift(same, same)
    assert [(shift.p, shift.effect) for shift in found.shifts] == [(1.0, 0.0)] * 3
    assert sentences(found) == ["Nothing moved much."]


def test_another_label_alone_has_moved_as_far_as_can_be() -> None:
    found = of_labels({"a": 100}, {"b": 100})
    assert found.labels.effect == pytest.approx(1.0)
    assert found.labels.is_clear
    assert found.labels.size == "large"


def test_ten_million_predictions_are_counted_exactly() -> None:
    bins = dict.fromkeys(range(100), 100000)
    moved = {at: 100_000 + (1 if at > 50 else -1) for at in range(100)}
    labels = {"a": 6_000_000, "b": 4_000_000}
    other = {"a": 6_010_000, "b": 3_990_000}
    found = drift(Distribution(labels, bins, bins), Distribution(other, moved, bins))
    assert found.labels.p is not None
    assert found.labels.p < 1e-4, "a change that is not by chance"
    assert not found.labels.is_clear, "and that nobody needs to know"
    assert found.margins.effect == pytest.approx(5e-6, rel=0.01)
    assert found.lengths.p == 1.0
    assert sentences(found) == [
        "Nothing moved much. The share that changed most: a, 60.0 % before and 60.1 % now."
    ]


def test_drift_by_chance_is_rarely_called_drift() -> None:
    """Of two batches of one source 1 % differ at p < 0.01, in each of three measures."""
    chance = random.Random(5)

    def batch() -> Distribution:
        labels = Counter(chance.choices("abc", (5, 3, 2), k=200))
        margins = Counter(chance.choices(range(100), k=200))
        return Distribution(labels, margins, Counter(chance.choices(range(30, 60), k=200)))

    called = sum(drift(batch(), batch()).effect > 0 for _ in range(300))
    assert called <= 20  # expected 9, with a standard deviation of 3


def test_the_largest_effect_that_is_clear_comes_first_and_is_the_drift() -> None:
    before = Distribution({"a": 500, "b": 500}, {50: 500, 60: 500}, {30: 1000})
    now = Distribution({"a": 600, "b": 400}, {10: 500, 20: 500}, {30: 1000})
    found = drift(before, now)
    assert found.effect == 1.0
    assert [sentence[:9] for sentence in sentences(found)] == ["The model", "The share"]
    assert "most of all a, 50.0 % before and 60.0 % now." in sentences(found)[1]
    as_json = json.loads(json.dumps(drift_to_json(found)))
    assert as_json["effect"] == 1.0
    assert as_json["measures"]["lengths"] == {"effect": 0.0, "p": 1.0, "before": 1000, "now": 1000}
