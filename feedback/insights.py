"""Answers about the model from its ratings: each is a small query to the totals of the log.

The database counts, and feedback.statistics gives the intervals. Knows no page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from feedback.filters import of_model
from feedback.log import FeedbackLog
from feedback.records import DRAWS, ModelRevision, Tally
from feedback.statistics import (
    Agreement,
    Bin,
    calibration,
    cohen_kappa,
    difference_interval,
    krippendorff_alpha,
    too_few,
    wilson_interval,
)
from feedback.tables import REVIEWED_ALONE, judgements, pairs, predictions, splits, tallies
from feedback.totals import SCORE_BINS

Ends = tuple[float, float]
NEARLY_ALL = 0.95
MAX_DRAWN = 5_000  # their interval is 2.8 points wide at most


@dataclass(frozen=True, slots=True)
class Share:
    """`some` of `n` ratings or predictions."""

    some: int
    n: int

    @property
    def value(self) -> float:
        """0 to 1; 0 of none."""
        return self.some / self.n if self.n else 0.0

    @property
    def interval(self) -> Ends:
        """The 95 % Wilson interval."""
        return wilson_interval(self.some, self.n)

    @property
    def too_few(self) -> bool:
        return too_few(self.n)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A share for each of the most frequent labels, and the number of labels left out."""

    shares: Mapping[str, Share]
    left_out: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """Ratings by output and right label, (output, truth), among the most frequent `labels`.

    `n` ratings give a right label, with those of the labels left out.
    """

    labels: tuple[str, ...]
    cells: Mapping[tuple[str, str], int]
    n: int
    left_out: int


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """The ratings of a tenth of the scores (0 to 9): the share that is right, the mean score."""

    tenth: int
    right: Share
    mean_score: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """The tenths that have ratings; `error` is the expected calibration error, None without any.

    `error_ends` is the error with all shares at the near and at the far ends of their intervals.
    """

    bins: tuple[ScoreBin, ...]
    error: float | None
    error_ends: Ends

    @property
    def n(self) -> int:
        return sum(tenth.right.n for tenth in self.bins)


@dataclass(frozen=True, slots=True)
class Reviewing:
    """The agreement of reviewers: Cohen's kappa of two, named, or Krippendorff's alpha of more.

    `same` is the share with unanimous ratings among the predictions that have several.
    """

    measure: Literal["kappa", "alpha"]
    reviewers: tuple[str, ...]
    agreement: Agreement
    same: Share


@dataclass(frozen=True, slots=True)
class Drawn:
    """The randomly drawn predictions up to the draw `last`; `unrated` of them have no rating."""

    right: Share
    unrated: int
    last: int


@dataclass(frozen=True, slots=True)
class Blind:
    """Thumbs up given before and after the output was seen; the ends of their difference."""

    blind: Share
    seen: Share
    difference: Ends


_ratings = sa.func.sum(judgements.c.ratings)


def _sum_of(totals: sa.Table, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, totals.c.ratings), else_=0)), 0)


_up = _sum_of(judgements, judgements.c.verdict == "up")


def revisions(log: FeedbackLog) -> dict[ModelRevision, Share]:
    """The rated models with their thumbs up, the model that was rated first last."""
    model = (tallies.c.model_id, tallies.c.model_revision)
    up = _sum_of(tallies, tallies.c.verdict == "up")
    query = (
        sa.select(*model, up, sa.func.sum(tallies.c.ratings))
        .where(tallies.c.ratings > 0)
        .group_by(*model)
        .order_by(sa.func.min(tallies.c.day).desc(), *(column.desc() for column in model))
    )
    return {ModelRevision(*row[:2]): Share(*map(int, row[2:])) for row in _rows(log, query)}


def by_day(log: FeedbackLog, of: ModelRevision | None = None) -> list[Tally]:
    """Ratings a day (UTC), oldest first."""
    up, down = (_sum_of(tallies, tallies.c.verdict == verdict) for verdict in ("up", "down"))
    query = _select(tallies, of, tallies.c.day, up, down)
    return [Tally(*row) for row in _rows(log, query.group_by("day").order_by("day"))]


def drawn_by_chance(log: FeedbackLog, of: ModelRevision | None = None, *, share: float) -> Drawn:
    """The share that is right among randomly drawn predictions, whoever rated them and why.

    `share` of all predictions are drawn, by the review queue (see feedback.review_queue). Read in
    queue order up to where 95 % are rated; past that point people, not chance, chose what is
    rated. The first 5,000 are enough. A prediction is right if most of its ratings are up; if they
    are divided, it counts as neither.
    """
    table = predictions.c
    drawn = sa.select(table.id, table.draw, table.rated, table.down).where(
        table.draw < int(share * DRAWS), REVIEWED_ALONE, of_model(predictions, of)
    )
    first = drawn.order_by(table.draw, table.id).limit(MAX_DRAWN).subquery()
    so_far: dict[str, Any] = {"order_by": (first.c.draw, first.c.id), "rows": (None, 0)}
    walked = sa.select(
        first,
        sa.func.count().over(**so_far).label("place"),
        _count(first.c.rated > 0).over(**so_far).label("rated_to_here"),
    ).cte("walked")
    reach = (
        sa.select(sa.func.max(walked.c.place))
        .where(walked.c.rated_to_here >= NEARLY_ALL * walked.c.place)
        .scalar_subquery()
    )
    is_right = 2 * walked.c.down < walked.c.rated  # false without ratings
    answers: list[Any] = [
        _count(is_right),
        _count(2 * walked.c.down != walked.c.rated),
        _count(walked.c.rated == 0),
        sa.func.max(walked.c.draw),
    ]
    query = sa.select(*answers).where(walked.c.place <= reach)
    ((right, decided, unrated, last),) = _rows(log, query)
    return Drawn(Share(right, decided), unrated, -1 if last is None else last)


def _count(condition: sa.ColumnElement[bool]) -> sa.Function[int]:
    return sa.func.count(sa.case((condition, 1)))


def by_output(log: FeedbackLog, of: ModelRevision | None = None, *, limit: int) -> Ranked:
    """The share that is up among the ratings of each predicted label: its precision."""
    return _ranked(log, of, judgements.c.label, _up, limit)


def by_truth(log: FeedbackLog, of: ModelRevision | None = None, *, limit: int) -> Ranked:
    """The share that was predicted among the ratings by which a label is right: its recall."""
    predicted = _sum_of(judgements, judgements.c.truth == judgements.c.label)
    return _ranked(log, of, judgements.c.truth, predicted, limit)


def _ranked(
    log: FeedbackLog,
    of: ModelRevision | None,
    label: sa.Column[str],
    part: sa.ColumnElement[int],
    limit: int,
) -> Ranked:
    labels = sa.func.count().over()
    query = (
        _select(judgements, of, label, part, _ratings, labels)
        .where(label != "")
        .group_by(label)
        .order_by(_ratings.desc(), label)
        .limit(limit)
    )
    rows = _rows(log, query)
    shares = {name: Share(int(part), int(n)) for name, part, n, _ in rows}
    return Ranked(shares, rows[0][3] - len(rows) if rows else 0)


def confusion(log: FeedbackLog, of: ModelRevision | None = None, *, limit: int) -> Confusion:
    """Outputs against right labels: that of a thumb up, or the correction of a thumb down."""
    known = (
        _select(judgements, of, judgements.c.label, judgements.c.truth, judgements.c.ratings)
        .where(judgements.c.truth != "")
        .cte("known")
    )
    mentions = sa.union_all(
        sa.select(known.c.label.label("name"), known.c.ratings),
        sa.select(known.c.truth, known.c.ratings),
    ).subquery()
    total, number = sa.func.sum(mentions.c.ratings), sa.func.count().over()
    query = (
        sa.select(mentions.c.name, sa.func.sum(total).over(), number)
        .group_by(mentions.c.name)
        .order_by(total.desc(), mentions.c.name)
        .limit(limit)
    )
    rows = _rows(log, query)
    names = tuple(name for name, _, _ in rows)
    cells = (
        sa.select(known.c.label, known.c.truth, sa.func.sum(known.c.ratings))
        .where(known.c.label.in_(names), known.c.truth.in_(names))
        .group_by(known.c.label, known.c.truth)
    )
    counted = {(output, truth): int(n) for output, truth, n in _rows(log, cells)}
    mentioned, labels = rows[0][1:] if rows else (0, 0)
    return Confusion(names, counted, int(mentioned) // 2, labels - len(names))


def reliability(log: FeedbackLog, of: ModelRevision | None = None) -> Reliability:
    """The share of outputs that is right, by the tenth of the score."""
    tenth = judgements.c.score_bin
    query = (
        _select(judgements, of, tenth, _up, _ratings, sa.func.sum(judgements.c.score_millionths))
        .where(tenth >= 0)
        .group_by(tenth)
        .order_by(tenth)
    )
    rows = [tuple(map(int, row)) for row in _rows(log, query)]
    bins = tuple(
        ScoreBin(number, Share(up, n), millionths / n / 1e6) for number, up, n, millionths in rows
    )
    error = calibration([Bin(n, millionths / 1e6, up) for _, up, n, millionths in rows])
    return Reliability(bins, error, _error_ends(bins))


def _error_ends(bins: tuple[ScoreBin, ...]) -> Ends:
    n = sum(tenth.right.n for tenth in bins)
    near = far = 0.0
    for tenth in bins:
        low, high = tenth.right.interval
        near += tenth.right.n * max(0.0, low - tenth.mean_score, tenth.mean_score - high)
        far += tenth.right.n * max(tenth.mean_score - low, high - tenth.mean_score)
    return (near / n, far / n) if n else (0.0, 1.0)


def surest_mistakes(log: FeedbackLog, of: ModelRevision | None = None) -> Share:
    """Thumbs down among ratings of outputs whose score is in the highest tenth."""
    down = _sum_of(judgements, judgements.c.verdict == "down")
    query = _select(judgements, of, down, sa.func.coalesce(_ratings, 0))
    ((mistaken, n),) = _rows(log, query.where(judgements.c.score_bin == SCORE_BINS - 1))
    return Share(int(mistaken), int(n))


def reviewing(log: FeedbackLog) -> Reviewing | None:
    """The agreement of reviewers on predictions that several rated, of any model; None if none."""
    split = sa.select(splits.c.up, splits.c.down, splits.c.predictions)
    rows = _rows(log, split.where(splits.c.predictions > 0))
    if not rows:
        return None
    there = pairs.c.predictions > 0
    names = _rows(log, sa.select(pairs.c.first, pairs.c.second).where(there).distinct().limit(2))
    if len(names) == 1 and all(up + down == 2 for up, down, _ in rows):
        verdicts = sa.select(pairs.c.first_verdict, pairs.c.second_verdict, pairs.c.predictions)
        both = {(first, second): int(n) for first, second, n in _rows(log, verdicts.where(there))}
        same = sum(n for (first, second), n in both.items() if first == second)
        agreement = cohen_kappa(both)
        return Reviewing("kappa", tuple(names[0]), agreement, Share(same, agreement.n))
    units: dict[tuple[int, ...], int] = {(up, down): int(n) for up, down, n in rows}
    same = sum(n for unit, n in units.items() if 0 in unit)
    agreement = krippendorff_alpha(units)
    return Reviewing("alpha", (), agreement, Share(same, agreement.n))


def blind(log: FeedbackLog, of: ModelRevision | None = None) -> Blind:
    """Thumbs up of ratings given before the output was shown, and of ratings given after it."""
    query = _select(judgements, of, judgements.c.blind, _up, _ratings)
    rows = _rows(log, query.group_by(judgements.c.blind))
    shares = {bool(key): Share(int(up), int(n)) for key, up, n in rows}
    before, after = (shares.get(key, Share(0, 0)) for key in (True, False))
    ends = difference_interval((before.some, before.n), (after.some, after.n))
    return Blind(before, after, ends)


def _select(totals: sa.Table, of: ModelRevision | None, *columns: Any) -> sa.Select[Any]:
    """The columns of a table of totals, of the ratings of a model or of all."""
    return sa.select(*columns).where(totals.c.ratings > 0, of_model(totals, of))


def _rows(log: FeedbackLog, query: sa.Select[Any]) -> list[Any]:
    with log.database.connect() as connection:
        return list(connection.execute(query).all())
