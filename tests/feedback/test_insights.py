"""Every insight equals what the usual libraries compute from the raw ratings that count."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    cohen_kappa_score,
    confusion_matrix,
    precision_recall_fscore_support,
)
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from feedback import Entry, FeedbackLog, Rating, insights
from feedback.filters import Filter
from feedback.insights import Drawn, Share
from feedback.records import DRAWS, ModelRevision, Source, drawn
from model.prediction import ScoredLabels, Span, Spans
from tests.helpers.entries import entry, entry_drawn, labels, rating

LABELS = ("joy", "rage", "fear", "名 \ud800\0 " + "long " * 300)
REVIEWERS = ("Ada", "Bob", "名", "Dan")
REVISIONS = (ModelRevision("model/bundled", "a"), ModelRevision("model/bundled", "b"))
SHARE = 0.6  # of the predictions that are drawn by chance
START = datetime(2026, 5, 1, 23, 50, tzinfo=UTC)
Said = list[tuple[Entry, Rating]]


def made(draw: random.Random, *, predictions: int, reviewers: int) -> tuple[list[Entry], Said]:
    """Predictions of two models, with what reviewers said of them, changed and took back."""
    entries = [_entry(draw) for _ in range(predictions)]
    said = [
        (of, _rating(of, who, draw))
        for of in entries
        for who in REVIEWERS[:reviewers]
        for _ in range(draw.choice((0, 1, 1, 1, 2)))
    ]
    return entries, said


def _entry(draw: random.Random) -> Entry:
    first, second = draw.sample(LABELS, 2)
    score = draw.choice((0.3, 0.5, 0.7, 0.9, 1.0, 0.5 + draw.random() / 2))
    output: Any = labels((first, score), (second, 0.1), multi_label=draw.random() < 0.1)
    if draw.random() < 0.1:
        output = Spans((Span("PER", 0.9, 0, 1),) if draw.random() < 0.5 else ())
    revision = draw.choice(REVISIONS)
    of = {"model_id": revision.model_id, "model_revision": revision.model_revision}
    source: Source = "compare" if draw.random() < 0.1 else "page"
    return replace(entry(output=output, **of), source=source)


def _rating(of: Entry, who: str, draw: random.Random) -> Rating:
    is_up = draw.random() < 0.6
    return rating(
        of,
        who,
        "up" if is_up else "down",
        correction="" if is_up else draw.choice(("", *LABELS)),
        blind=draw.random() < 0.4,
        sampling=draw.choice(("", "random", "margin")),
        retracted=draw.random() < 0.1,
        created_at=START + timedelta(minutes=draw.randrange(60 * 72)),
    )


def current(said: Said, of: ModelRevision | None) -> Said:
    """The ratings that count, found the slow way."""
    newest: dict[Any, tuple[Entry, Rating]] = {}
    for pair in sorted(said, key=lambda pair: pair[1].id):
        newest[pair[1].prediction_id, pair[1].reviewer] = pair
    return [
        (on, one)
        for on, one in newest.values()
        if not one.retracted
        and of in (None, ModelRevision(on.prediction.model_id, on.prediction.model_revision))
    ]


def truth(of: Entry, said: Rating) -> str:
    output = of.prediction.output
    if not isinstance(output, ScoredLabels) or output.multi_label:
        return ""
    return of.prediction.label if said.verdict == "up" else said.correction


def one_answer(of: Entry) -> bool:
    output = of.prediction.output
    return isinstance(output, ScoredLabels) and not output.multi_label


def share(of: Said, holds: Callable[[Rating], bool] = lambda one: one.verdict == "up") -> Share:
    return Share(sum(holds(one) for _, one in of), len(of))


def by_chance(entries: list[Entry], now: Said, of: ModelRevision | None) -> Drawn:
    """In the order of the draw, up to the last place where 19 of 20 were rated."""
    verdicts: dict[Any, list[int]] = {}
    for _, one in now:
        verdicts.setdefault(one.prediction_id, []).append(1 if one.verdict == "up" else -1)
    chosen = sorted(
        drawn(one.prediction.id)
        for one in entries
        if drawn(one.prediction.id) < SHARE * DRAWS and one.source != "compare" and is_of(one, of)
    )
    said = {drawn(one): every for one, every in verdicts.items()}
    rated = [draw in said for draw in chosen]
    reach = max((n for n in range(len(chosen) + 1) if sum(rated[:n]) >= 0.95 * n), default=0)
    sums = [sum(said[draw]) for draw in chosen[:reach] if draw in said]
    told = [one > 0 for one in sums if one]
    last = chosen[reach - 1] if reach else -1
    return Drawn(Share(sum(told), len(told)), reach - len(sums), last)


def is_of(one: Entry, of: ModelRevision | None) -> bool:
    return of in (None, ModelRevision(one.prediction.model_id, one.prediction.model_revision))


def check(log: FeedbackLog, entries: list[Entry], said: Said, of: ModelRevision | None) -> None:
    now = current(said, of)
    check_labels(log, now, of)
    check_scores(log, now, of)
    days = Counter((one.created_at.date(), one.verdict) for _, one in now)
    assert {
        (tally.day, verdict): n
        for tally in insights.by_day(log, of)
        for verdict, n in (("up", tally.up), ("down", tally.down))
        if n
    } == days
    assert insights.drawn_by_chance(log, of, share=SHARE) == by_chance(entries, now, of)
    judged = insights.blind(log, of)
    assert judged.blind == share([pair for pair in now if pair[1].blind])
    assert judged.seen == share([pair for pair in now if not pair[1].blind])
    if judged.blind.n and judged.seen.n:
        expected = confint_proportions_2indep(
            judged.blind.some, judged.blind.n, judged.seen.some, judged.seen.n, method="newcomb"
        )
        assert judged.difference == pytest.approx(expected)
    surest = [pair for pair in now if one_answer(pair[0]) and (pair[0].prediction.score or 0) > 0.9]
    surest += [pair for pair in now if one_answer(pair[0]) and pair[0].prediction.score == 0.9]
    assert insights.surest_mistakes(log, of) == share(surest, lambda one: one.verdict == "down")


def check_labels(log: FeedbackLog, now: Said, of: ModelRevision | None) -> None:
    outputs = insights.by_output(log, of, limit=99)
    for label, found in outputs.shares.items():
        assert found == share([pair for pair in now if pair[0].prediction.label == label])
        expected = proportion_confint(found.some, found.n, method="wilson")
        assert found.interval == pytest.approx(expected)
    assert set(outputs.shares) == {on.prediction.label for on, _ in now} - {""}

    told = [(on.prediction.label, right) for on, one in now if (right := truth(on, one))]
    table = insights.confusion(log, of, limit=99)
    assert (table.n, table.left_out) == (len(told), 0)
    truths = insights.by_truth(log, of, limit=99).shares
    if not told:
        assert not truths
        return
    said, correct = zip(*told, strict=True)
    names = list(table.labels)
    assert set(names) == {*said, *correct}
    matrix = confusion_matrix(correct, said, labels=names)
    ours = [[table.cells.get((output, label), 0) for output in names] for label in names]
    assert ours == matrix.tolist()
    _, recall, _, support = precision_recall_fscore_support(
        correct, said, labels=names, zero_division=0.0
    )
    for name, expected_recall, n in zip(names, recall, support, strict=True):
        assert truths.get(name, Share(0, 0)).n == n
        assert truths.get(name, Share(0, 0)).value == pytest.approx(expected_recall)


def check_scores(log: FeedbackLog, now: Said, of: ModelRevision | None) -> None:
    found = insights.reliability(log, of)
    scored = [
        (on.prediction.score, one.verdict == "up")
        for on, one in now
        if one_answer(on) and on.prediction.score is not None
    ]
    assert found.n == len(scored)
    if found.error is None:
        assert not scored
        return
    scores, right = (np.array(column, dtype=float) for column in zip(*scored, strict=True))
    # scikit-learn closes a bin on its other side: just below an edge no score is on one
    shares, means = calibration_curve(right, np.minimum(scores + 1e-9, 1), n_bins=10)
    assert [one.right.value for one in found.bins] == pytest.approx(shares)
    assert [one.mean_score for one in found.bins] == pytest.approx(means, abs=1e-6)
    weights = np.array([one.right.n for one in found.bins]) / len(scored)
    assert found.error == pytest.approx(float(weights @ np.abs(shares - means)), abs=1e-6)
    near, far = found.error_ends
    assert near - 1e-9 <= found.error <= far + 1e-9


def check_reviewers(log: FeedbackLog, said: Said) -> None:
    verdicts: dict[Any, dict[str, str]] = {}
    for _, one in current(said, None):
        verdicts.setdefault(one.prediction_id, {})[one.reviewer] = one.verdict
    several = [by for by in verdicts.values() if len(by) > 1]
    found = insights.reviewing(log)
    if not several:
        assert found is None
        return
    assert found is not None
    assert found.agreement.n == found.same.n == len(several)
    assert found.same.some == sum(len(set(by.values())) == 1 for by in several)
    value = found.agreement.value
    together = {name for by in several for name in by}
    if len(together) == 2:
        assert (found.measure, found.reviewers) == ("kappa", tuple(sorted(together)))
        first, second = ([by[name] for by in several] for name in found.reviewers)
        if value is not None:
            assert value == pytest.approx(cohen_kappa_score(first, second))
        return
    assert found.measure == "alpha"
    table = [
        [("up", "down").index(by[n]) if n in by else np.nan for by in several] for n in REVIEWERS
    ]
    if value is not None:
        assert value == pytest.approx(
            krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")
        )


def check_filters(log: FeedbackLog, said: Said, of: ModelRevision | None) -> None:
    """What a mark of a chart says is how many rows are behind it."""

    def rows(**chosen: Any) -> int:
        chosen_filter = Filter(rated=True, revision=of, **chosen)
        count = log.count(chosen_filter, limit=9999)
        found = log.page(chosen_filter, offset=0, limit=9999)
        assert len(found) == count
        ids = [on.prediction.id for on, _ in found]
        assert ids == sorted(ids, reverse=True)
        assert all(one is not None for _, one in found)
        return count

    assert rows() == len(current(said, of))
    for label, found in insights.by_output(log, of, limit=99).shares.items():
        assert rows(label=label) == found.n
        assert rows(label=label, verdict="up") == found.some
    for label, found in insights.by_truth(log, of, limit=99).shares.items():
        assert rows(truth=label) == found.n
    for (label, right), n in insights.confusion(log, of, limit=99).cells.items():
        assert rows(label=label, truth=right) == n
    for tenth in insights.reliability(log, of).bins:
        assert rows(tenth=tenth.tenth) == tenth.right.n
    for tally in insights.by_day(log, of):
        assert rows(day=tally.day, verdict="up") == tally.up
        assert rows(day=tally.day, verdict="down") == tally.down
    judged = insights.blind(log, of)
    assert (rows(blind=True), rows(blind=False)) == (judged.blind.n, judged.seen.n)
    last = insights.drawn_by_chance(log, of, share=SHARE).last
    behind = [on for on, _ in current(said, of) if drawn(on.prediction.id) <= last]
    assert rows(drawn_to=last) == len([on for on in behind if on.source != "compare"])
    verdicts: dict[Any, Counter[str]] = {}
    for _, one in current(said, of):
        verdicts.setdefault(one.prediction_id, Counter())[one.verdict] += 1
    disputed = [by for by in verdicts.values() if by["up"] and by["down"]]
    assert rows(disputed=True) == sum(by.total() for by in disputed)


def check_mistakes(log: FeedbackLog, said: Said, of: ModelRevision | None) -> None:
    wrong: dict[Any, list[Any]] = {}
    for on, one in current(said, of):
        if one.verdict == "down" and on.prediction.score is not None:
            wrong.setdefault((on.prediction.score, on.prediction.id), []).append(one.id)
    expected = [sorted(wrong[key]) for key in sorted(wrong, reverse=True)[:5]]
    found = log.mistakes(of, limit=5)
    assert [one.id for _, one in found if one] == [one for some in expected for one in some]


def check_all(log: FeedbackLog, entries: list[Entry], said: Said) -> None:
    check_reviewers(log, said)
    for of in (None, *REVISIONS):
        check(log, entries, said, of)
        check_filters(log, said, of)
        check_mistakes(log, said, of)
    counted = Counter(
        (on.prediction.model_revision, one.verdict) for on, one in current(said, None)
    )
    assert {
        (one.model_revision, verdict): n
        for one, of in insights.revisions(log).items()
        for verdict, n in (("up", of.some), ("down", of.n - of.some))
        if n
    } == counted


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 40), st.integers(1, 4))
def test_they_equal_the_libraries(draw: random.Random, predictions: int, reviewers: int) -> None:
    with TemporaryDirectory() as folder:
        log = FeedbackLog(f"sqlite:///{folder}/log.db")
        entries, said = made(draw, predictions=predictions, reviewers=reviewers)
        log.add(entries, [one for _, one in said])
        check_all(log, entries, said)
        log.close()


@pytest.mark.parametrize("reviewers", [2, 4])
def test_on_each_database_as_ratings_come_in(log: FeedbackLog, reviewers: int) -> None:
    entries, said = made(random.Random(7), predictions=30, reviewers=reviewers)
    log.add(entries, [])
    stored = [(of, one) for of, one in said if log.rate(one)]
    check_all(log, entries, stored)


def test_the_most_frequent_labels_are_shown_and_the_others_counted(sqlite_log: FeedbackLog) -> None:
    for count, name in enumerate("abcde", start=1):
        entries = [entry(output=labels((name, 0.9), ("x", 0.1))) for _ in range(count)]
        sqlite_log.add(entries, [rating(one) for one in entries])
    outputs = insights.by_output(sqlite_log, limit=2)
    assert (list(outputs.shares), outputs.left_out) == (["e", "d"], 3)
    found = insights.confusion(sqlite_log, limit=2)
    assert (found.labels, found.n, found.left_out) == (("e", "d"), 15, 3)
    assert found.cells == {("e", "e"): 5, ("d", "d"): 4}


def test_what_people_choose_to_rate_is_no_estimate(sqlite_log: FeedbackLog) -> None:
    """Predictions that arrive behind the queue's place, of which somebody rates the wrong ones."""

    def estimate() -> Drawn:
        return insights.drawn_by_chance(sqlite_log, share=SHARE)

    def add(count: int) -> list[Entry]:
        made = [entry_drawn("x", below=True, share=SHARE) for _ in range(count)]
        sqlite_log.add(made, [])
        return made

    sqlite_log.add([], [rating(one) for one in add(100)])
    assert estimate().right == Share(100, 100)
    later = sorted(add(900), key=lambda one: drawn(one.prediction.id))
    sqlite_log.add([], [rating(one, verdict="down") for one in later[1::9]])
    assert estimate().right.n < 20
    sqlite_log.add([], [rating(one) for place, one in enumerate(later) if place % 9 != 1])
    assert estimate() == Drawn(Share(900, 1000), 0, estimate().last)


def test_a_few_that_are_skipped_are_told(sqlite_log: FeedbackLog) -> None:
    made = [entry_drawn("x", below=True, share=SHARE) for _ in range(100)]
    made.sort(key=lambda one: drawn(one.prediction.id))
    sqlite_log.add(made, [rating(one) for one in (*made[:7], *made[10:80])])
    found = insights.drawn_by_chance(sqlite_log, share=SHARE)
    assert found == Drawn(Share(77, 77), 4, drawn(made[80].prediction.id))
    assert insights.drawn_by_chance(sqlite_log, share=0).right == Share(0, 0)


def test_a_sample_is_enough(sqlite_log: FeedbackLog, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [entry_drawn("x", below=True, share=SHARE) for _ in range(40)]
    made.sort(key=lambda one: drawn(one.prediction.id))
    sqlite_log.add(
        made, [rating(one, verdict="up" if n < 30 else "down") for n, one in enumerate(made)]
    )
    monkeypatch.setattr(insights, "MAX_DRAWN", 30)
    found = insights.drawn_by_chance(sqlite_log, share=SHARE)
    assert found == Drawn(Share(30, 30), 0, drawn(made[29].prediction.id))


def test_the_newest_model_is_first(sqlite_log: FeedbackLog) -> None:
    for day, revision in enumerate("bac"):
        stored = entry(model_revision=revision)
        sqlite_log.add([stored], [rating(stored, created_at=START + timedelta(days=day))])
        sqlite_log.rate(rating(stored, "Bob", created_at=START + timedelta(days=9)))
    assert [one.model_revision for one in insights.revisions(sqlite_log)] == ["c", "a", "b"]


def test_an_empty_log_has_no_answers(log: FeedbackLog) -> None:
    check_all(log, [], [])
