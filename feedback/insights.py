"""What the ratings say of the model: each answer a small question to what is kept beside the log.

The database counts and feedback.statistics says how sure that is. Knows no page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from feedback.log import FeedbackLog
from feedback.records import DRAWS, Revision, Tally
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
from feedback.tables import judgements, pairs, predictions, splits, tallies
from feedback.totals import SCORE_BINS

Ends = tuple[float, float]
NEARLY_ALL = 0.95
MAX_DRAWN = 5_000  # their interval is 2.8 points wide at most


@dataclass(frozen=True, slots=True)
class Share:
    """So many of `n` ratings, or predictions."""

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
    """A share for each of the most frequent labels, and how many labels were left out."""

    shares: Mapping[str, Share]
    left_out: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often which output had which truth, (output, truth), among the most frequent `labels`.

    `n` ratings say the truth, also of the labels that were left out.
    """

    labels: tuple[str, ...]
    cells: Mapping[tuple[str, str], int]
    n: int
    left_out: int


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """The ratings of a tenth of the scores (0 to 9): the share that is right, and their mean."""

    tenth: int
    right: Share
    mean_score: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """The tenths that have ratings; `error` is the expected calibration error, None without any.

    `error_ends` is what it is with every share at the near and at the far end of its interval.
    """

    bins: tuple[ScoreBin, ...]
    error: float | None
    error_ends: Ends

    @property
    def n(self) -> int:
        return sum(one.right.n for one in self.bins)


@dataclass(frozen=True, slots=True)
class Reviewing:
    """How far reviewers agree: Cohen's kappa of two, who are named, Krippendorff's alpha of more.

    `same` is the share of predictions with several ratings where all of them are the same.
    """

    measure: Literal["kappa", "alpha"]
    reviewers: tuple[str, ...]
    agreement: Agreement
    same: Share


@dataclass(frozen=True, slots=True)
class Drawn:
    """The predictions that chance chose, up to the draw `last`: so many of them are not rated."""

    right: Share
    unrated: int
    last: int


@dataclass(frozen=True, slots=True)
class Blind:
    """Thumbs up given before and after the output was seen, and how far the shares differ."""

    blind: Share
    seen: Share
    difference: Ends


_ratings = sa.func.sum(judgements.c.ratings)


def _sum_of(kept: sa.Table, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, kept.c.ratings), else_=0)), 0)


_up = _sum_of(judgements, judgements.c.verdict == "up")


def revisions(log: FeedbackLog) -> dict[Revision, Share]:
    """The models that were rated with their thumbs up, the one rated first last."""
    of = (tallies.c.model_id, tallies.c.model_revision)
    question = (
        sa.select(*of, _sum_of(tallies, tallies.c.verdict == "up"), sa.func.sum(tallies.c.ratings))
        .where(tallies.c.ratings > 0)
        .group_by(*of)
        .order_by(sa.func.min(tallies.c.day).desc(), *(column.desc() for column in of))
    )
    return {Revision(*row[:2]): Share(*map(int, row[2:])) for row in _rows(log, question)}


def by_day(log: FeedbackLog, of: Revision | None = None) -> list[Tally]:
    """Ratings a day (UTC), oldest first."""
    up, down = (_sum_of(tallies, tallies.c.verdict == verdict) for verdict in ("up", "down"))
    question = _select(tallies, of, tallies.c.day, up, down)
    return [Tally(*row) for row in _rows(log, question.group_by("day").order_by("day"))]


def drawn_by_chance(log: FeedbackLog, of: Revision | None = None, *, share: float) -> Drawn:
    """The predictions that are right among those that chance chose, whoever rated them and why.

    `share` is that of the predictions which the review queue draws (see feedback.review_queue).
    Read in queue order up to where 95 % are rated; past that point people, not chance, chose what
    is rated. The first 5,000 are enough. Right is what most ratings say; a prediction on which
    they are divided counts as neither.
    """
    table = predictions.c
    drawn = sa.select(table.id, table.draw, table.rated, table.down).where(
        table.draw < int(share * DRAWS), table.source != "compare"
    )
    if of is not None:
        drawn = drawn.where(
            table.model_id == of.model_id, table.model_revision == of.model_revision
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
    is_right = 2 * walked.c.down < walked.c.rated  # none of no ratings
    answers: list[Any] = [
        _count(is_right),
        _count(2 * walked.c.down != walked.c.rated),
        _count(walked.c.rated == 0),
        sa.func.max(walked.c.draw),
    ]
    question = sa.select(*answers).where(walked.c.place <= reach)
    ((right, told, unrated, last),) = _rows(log, question)
    return Drawn(Share(right, told), unrated, -1 if last is None else last)


def _count(condition: sa.ColumnElement[bool]) -> sa.Function[int]:
    return sa.func.count(sa.case((condition, 1)))


def by_output(log: FeedbackLog, of: Revision | None = None, *, limit: int) -> Ranked:
    """Of the ratings of each predicted label, those that are up: its precision."""
    return _ranked(log, of, judgements.c.label, _up, limit)


def by_truth(log: FeedbackLog, of: Revision | None = None, *, limit: int) -> Ranked:
    """Of the ratings that say that a label is right, those where it was predicted: its recall."""
    found = _sum_of(judgements, judgements.c.truth == judgements.c.label)
    return _ranked(log, of, judgements.c.truth, found, limit)


def _ranked(
    log: FeedbackLog,
    of: Revision | None,
    label: sa.Column[str],
    some: sa.ColumnElement[int],
    limit: int,
) -> Ranked:
    every = sa.func.count().over()
    question = (
        _select(judgements, of, label, some, _ratings, every)
        .where(label != "")
        .group_by(label)
        .order_by(_ratings.desc(), label)
        .limit(limit)
    )
    rows = _rows(log, question)
    shares = {name: Share(int(some), int(n)) for name, some, n, _ in rows}
    return Ranked(shares, rows[0][3] - len(rows) if rows else 0)


def confusion(log: FeedbackLog, of: Revision | None = None, *, limit: int) -> Confusion:
    """Output against truth, which is the label of a thumb up and the correction of a thumb down."""
    told = (
        _select(judgements, of, judgements.c.label, judgements.c.truth, judgements.c.ratings)
        .where(judgements.c.truth != "")
        .cte("told")
    )
    mentions = sa.union_all(
        sa.select(told.c.label.label("name"), told.c.ratings),
        sa.select(told.c.truth, told.c.ratings),
    ).subquery()
    total, every = sa.func.sum(mentions.c.ratings), sa.func.count().over()
    question = (
        sa.select(mentions.c.name, sa.func.sum(total).over(), every)
        .group_by(mentions.c.name)
        .order_by(total.desc(), mentions.c.name)
        .limit(limit)
    )
    rows = _rows(log, question)
    names = tuple(name for name, _, _ in rows)
    cells = (
        sa.select(told.c.label, told.c.truth, sa.func.sum(told.c.ratings))
        .where(told.c.label.in_(names), told.c.truth.in_(names))
        .group_by(told.c.label, told.c.truth)
    )
    counted = {(output, truth): int(n) for output, truth, n in _rows(log, cells)}
    mentioned, labels = rows[0][1:] if rows else (0, 0)
    return Confusion(names, counted, int(mentioned) // 2, labels - len(names))


def reliability(log: FeedbackLog, of: Revision | None = None) -> Reliability:
    """How often the output is right, by the tenth that its score is in."""
    tenth = judgements.c.score_bin
    question = (
        _select(judgements, of, tenth, _up, _ratings, sa.func.sum(judgements.c.score_millionths))
        .where(tenth >= 0)
        .group_by(tenth)
        .order_by(tenth)
    )
    rows = [tuple(map(int, row)) for row in _rows(log, question)]
    bins = tuple(
        ScoreBin(number, Share(up, n), millionths / n / 1e6) for number, up, n, millionths in rows
    )
    error = calibration([Bin(n, millionths / 1e6, up) for _, up, n, millionths in rows])
    return Reliability(bins, error, _error_ends(bins))


def _error_ends(bins: tuple[ScoreBin, ...]) -> Ends:
    n = sum(one.right.n for one in bins)
    near = far = 0.0
    for one in bins:
        low, high = one.right.interval
        near += one.right.n * max(0.0, low - one.mean_score, one.mean_score - high)
        far += one.right.n * max(one.mean_score - low, high - one.mean_score)
    return (near / n, far / n) if n else (0.0, 1.0)


def surest_mistakes(log: FeedbackLog, of: Revision | None = None) -> Share:
    """Thumbs down among ratings of outputs whose score is in the highest tenth."""
    down = _sum_of(judgements, judgements.c.verdict == "down")
    question = _select(judgements, of, down, sa.func.coalesce(_ratings, 0))
    ((some, n),) = _rows(log, question.where(judgements.c.score_bin == SCORE_BINS - 1))
    return Share(int(some), int(n))


def reviewing(log: FeedbackLog) -> Reviewing | None:
    """How far reviewers agree on what several of them rated, any model's; None if nothing is."""
    split = sa.select(splits.c.up, splits.c.down, splits.c.predictions)
    rows = _rows(log, split.where(splits.c.predictions > 0))
    if not rows:
        return None
    there = pairs.c.predictions > 0
    names = _rows(log, sa.select(pairs.c.first, pairs.c.second).where(there).distinct().limit(2))
    if len(names) == 1 and all(up + down == 2 for up, down, _ in rows):
        said = sa.select(pairs.c.first_verdict, pairs.c.second_verdict, pairs.c.predictions)
        both = {(one, other): int(n) for one, other, n in _rows(log, said.where(there))}
        same = sum(n for (one, other), n in both.items() if one == other)
        agreement = cohen_kappa(both)
        return Reviewing("kappa", tuple(names[0]), agreement, Share(same, agreement.n))
    units: dict[tuple[int, ...], int] = {(up, down): int(n) for up, down, n in rows}
    same = sum(n for unit, n in units.items() if 0 in unit)
    agreement = krippendorff_alpha(units)
    return Reviewing("alpha", (), agreement, Share(same, agreement.n))


def blind(log: FeedbackLog, of: Revision | None = None) -> Blind:
    """Thumbs up of those who said what is right before the output was shown, and of the others."""
    question = _select(judgements, of, judgements.c.blind, _up, _ratings)
    rows = _rows(log, question.group_by(judgements.c.blind))
    shares = {bool(key): Share(int(up), int(n)) for key, up, n in rows}
    before, after = (shares.get(key, Share(0, 0)) for key in (True, False))
    ends = difference_interval((before.some, before.n), (after.some, after.n))
    return Blind(before, after, ends)


def _select(kept: sa.Table, of: Revision | None, *columns: Any) -> sa.Select[Any]:
    """Of what is kept of the ratings of one model, or of all."""
    question: sa.Select[Any] = sa.select(*columns).where(kept.c.ratings > 0)
    if of is None:
        return question
    return question.where(
        kept.c.model_id == of.model_id, kept.c.model_revision == of.model_revision
    )


def _rows(log: FeedbackLog, question: sa.Select[Any]) -> list[Any]:
    with log.database.connect() as connection:
        return list(connection.execute(question).all())
