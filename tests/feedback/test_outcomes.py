"""What reviewers say is right, and what another output makes of it."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback import Entry, Rating
from feedback.outcomes import OUTCOMES, OutcomeCounts, answer_to_json, outcome, reference
from model.prediction import Answer, GeneratedText, Output, Prediction, Span, Spans
from tests.helpers.entries import entry, labels, rating

A, B, C = (labels((name, 0.6), ("rest", 0.4)) for name in ("a", "b", "c"))


def said(of: Entry, *words: str) -> list[Rating]:
    """Ratings by as many reviewers: "up", "down", or down with a correction."""
    return [
        rating(of, f"reviewer {n}", word)
        if word in ("up", "down")
        else rating(of, f"reviewer {n}", "down", correction=word)
        for n, word in enumerate(words)
    ]


def becomes(old: Output, new: Output | None, *words: str, **changes: Any) -> str | None:
    """The outcome for a prediction that was rated so; None if its reviewers are divided."""
    of = entry(output=old, **changes)
    known = reference(of.prediction, said(of, *words))
    made = None if new is None else entry(output=new, **changes).prediction
    return None if known is None else outcome(known, made)


@pytest.mark.parametrize(
    ("words", "new", "expected"),
    [
        (["up"], A, "still right"),
        (["up"], B, "broken"),
        (["down"], A, "still wrong"),
        (["down"], B, "unknown"),
        (["b"], A, "still wrong"),
        (["b"], B, "fixed"),
        (["b"], C, "still wrong"),
        (["up", "up", "b"], B, "broken"),
        (["b", "down", "up"], B, "fixed"),
        (["b", "c", "up"], B, "unknown"),
        (["b", "b", "c"], B, "fixed"),
        (["b", "b", "c"], C, "still wrong"),
        (["up", "down"], A, None),
        (["up", "b"], B, None),
        ([], A, None),
        (["up"], None, "broken"),
        (["b"], None, "still wrong"),
        (["a"], B, "unknown"),
    ],
)
def test_one_label(words: list[str], new: Output | None, expected: str | None) -> None:
    assert becomes(A, new, *words) == expected


MULTI = labels(("x", 0.9), ("y", 0.7), ("z", 0.1), multi_label=True)
FEWER = labels(("x", 0.9), ("y", 0.2), ("z", 0.1), multi_label=True)
NONE = labels(("x", 0.4), ("y", 0.2), multi_label=True)
SPANS = Spans((Span("PER", 0.9, 0, 3), Span("LOC", 0.8, 9, 12)))
FEWER_SPANS = Spans((Span("PER", 0.5, 0, 3),))
PER = '[{"label":"PER","start":0,"end":3}]'


@pytest.mark.parametrize(
    ("old", "new", "word", "expected"),
    [
        (MULTI, labels(("y", 0.8), ("x", 0.6), multi_label=True), "up", "still right"),
        (MULTI, FEWER, "up", "broken"),
        (MULTI, FEWER, '["x"]', "fixed"),
        (MULTI, NONE, "[]", "fixed"),
        (MULTI, NONE, '["x"]', "still wrong"),
        (MULTI, FEWER, "not json", "unknown"),
        (labels(("x", 1.0)), FEWER, "up", "still right"),
        (FEWER, labels(("x", 1.0)), "up", "still right"),
        (SPANS, Spans((SPANS.items[1], SPANS.items[0])), "up", "still right"),
        (SPANS, FEWER_SPANS, "up", "broken"),
        (SPANS, FEWER_SPANS, PER, "fixed"),
        (SPANS, Spans(()), PER, "still wrong"),
        (SPANS, Spans(()), "[]", "fixed"),
        (SPANS, FEWER_SPANS, '[{"label":7}]', "unknown"),
    ],
)
def test_labels_and_spans(old: Output, new: Output, word: str, expected: str) -> None:
    assert becomes(old, new, word) == expected


@pytest.mark.parametrize(
    ("new", "word", "expected"),
    [
        ("One.", "up", "still right"),
        (" One.\n", "up", "still right"),
        ("Two.", "up", "unknown"),
        ("Two.", "down", "unknown"),
        ("Two.", "Two. ", "fixed"),
        ("Three.", "Two.", "unknown"),
        ("One.", "Two.", "still wrong"),
    ],
)
def test_texts_are_open(new: str, word: str, expected: str) -> None:
    texts = [GeneratedText(text, 1, "end") for text in ("One.", new)]
    assert becomes(texts[0], texts[1], word, task="text-generation") == expected
    words = [labels((text, 0.5), ("x", 0.1)) for text in ("One.", new)]
    assert becomes(words[0], words[1], word, task="fill-mask") == expected


NAMES = st.sampled_from(["a", "b", "c"])
WORDS = st.lists(st.sampled_from(["up", "down", "a", "b", "c"]), max_size=5)


def one(name: str) -> Output:
    return labels((name, 0.6), ("rest", 0.4))


@given(NAMES, WORDS)
def test_a_model_against_itself_fixes_and_breaks_nothing(old: str, words: list[str]) -> None:
    assert becomes(one(old), one(old), *words) in (None, "still right", "still wrong")


@given(NAMES, NAMES, WORDS)
def test_the_order_of_the_ratings_does_not_matter(old: str, new: str, words: list[str]) -> None:
    every = {becomes(one(old), one(new), *some) for some in permutations(words)}
    assert len(every) == 1


@given(NAMES, NAMES, WORDS.filter(bool))
def test_there_and_back(old: str, new: str, words: list[str]) -> None:
    """With the truth known, what one way fixes the other way breaks."""
    of = entry(output=one(old))
    known = reference(of.prediction, said(of, *words))
    if known is None or known.truth is None:
        return
    truth = str(answer_to_json(known.truth, "label"))
    way = becomes(one(old), one(new), truth if truth != old else "up")
    back = becomes(one(new), one(old), truth if truth != new else "up")
    pairs = {"fixed": "broken", "broken": "fixed"}
    assert back == pairs.get(str(way), way)


@given(st.lists(st.tuples(NAMES, NAMES, WORDS)))
def test_a_score_counts_each_prediction_once(every: list[tuple[str, str, list[str]]]) -> None:
    score = OutcomeCounts()
    for old, new, words in every:
        of = entry(output=one(old))
        known = reference(of.prediction, said(of, *words))
        if known:
            score.add(known, outcome(known, entry(output=one(new)).prediction))
    assert score.total == sum(counts.total() for counts in score.by_label.values())
    assert set(score.counts) <= set(OUTCOMES)
    assert score.changed <= score.total
    assert score.p == 1 or score.changed > 0


def test_the_p_value_is_that_of_fixed_against_broken() -> None:
    score = OutcomeCounts()
    score.counts.update({"fixed": 9, "broken": 1, "still right": 500, "unknown": 70})
    assert score.p == pytest.approx(22 / 1024)


@pytest.mark.parametrize(
    ("output", "changes", "shown"),
    [
        (A, {}, "a"),
        (MULTI, {}, '["x","y"]'),
        (FEWER_SPANS, {}, '[{"label":"PER","start":0,"end":3}]'),
        (GeneratedText(" said. ", 2, "end"), {"task": "text-generation"}, "said."),
    ],
)
def test_answers_as_text(output: Output, changes: dict[str, Any], shown: str) -> None:
    of = entry(output=output, **changes)
    known = reference(of.prediction, said(of, "up"))
    assert known is not None
    answer: Answer = of.prediction.answer
    assert known.truth == answer
    assert answer_to_json(answer, known.kind) == shown
    # As a correction it says the same again.
    other: Prediction = entry(output=C, **changes).prediction
    if isinstance(output, type(C)) and not output.multi_label:
        corrected = reference(other, said(entry(), shown))
        assert corrected is not None
        assert corrected.truth == answer
