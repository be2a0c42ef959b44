"""The filter of the log's rows, and all SQL that follows from it.

To add a filter, add a field to Filter and its condition to `_conditions`; if the table `judgements`
has a column for it, also to `_judgements` and `_is_tallied`, and counting stays fast.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from feedback.records import ModelRevision
from feedback.tables import (
    DISPUTED,
    REVIEWED_ALONE,
    UNRATED,
    current_ratings,
    judgements,
    predictions,
)
from feedback.totals import in_score_bin, truth

_joined = predictions.outerjoin(
    current_ratings, current_ratings.c.prediction_id == predictions.c.id
)


@dataclass(frozen=True, slots=True)
class Filter:
    """A choice of rows of the log; a field that is "", None or False leaves all.

    `verdict` is up, down or unrated, `text` a substring, `truth` the label that is right by a
    rating, `tenth` that of the score (0 to 9), `day` that of the rating (UTC), `disputed` chooses
    predictions with ratings up and down, `drawn_to` is the last draw (see feedback.insights.Drawn).
    """

    verdict: str = ""
    label: str = ""
    text: str = ""
    truth: str = ""
    tenth: int | None = None
    day: date | None = None
    blind: bool | None = None
    drawn_to: int | None = None
    disputed: bool = False
    rated: bool = False
    revision: ModelRevision | None = None

    @property
    def has_verdict(self) -> bool:
        """True if it asks for one verdict."""
        return self.verdict in ("up", "down")

    @property
    def asks_ratings(self) -> bool:
        """True if it asks for a property of the rating, which a prediction without one lacks."""
        return bool(self.has_verdict or self.truth or self.day or self.blind is not None)


def count_query(chosen: Filter, *, limit: int) -> sa.Select[int]:
    """A query for the number of rows, which stops at `limit` where it has to read them."""
    if _is_tallied(chosen):
        ratings = sa.func.coalesce(sa.func.sum(judgements.c.ratings), 0)
        return sa.select(ratings).where(*_judgements(chosen))
    rows = _filtered(sa.select(sa.literal(1)), chosen).limit(limit).subquery()
    return sa.select(sa.func.count()).select_from(rows)


def rows_query(query: sa.Select[Any], chosen: Filter) -> sa.Select[Any]:
    """`query`, a select of columns of predictions and current ratings, with the chosen rows.

    Newest first.
    """
    newest = _prediction_id(chosen).desc()
    return _filtered(query, chosen).order_by(newest, current_ratings.c.id.desc())


def ids_query(chosen: Filter, *, before: UUID | None, limit: int) -> sa.Select[UUID]:
    """A query for the ids of predictions that have a chosen row, newest first, each once.

    Only those below the id `before`, so that predictions stored meanwhile move none.
    """
    prediction_id = _prediction_id(chosen)
    query = sa.select(prediction_id).where(*_conditions(chosen))
    if chosen.asks_ratings:
        query = query.select_from(_joined).distinct()
    if before is not None:
        query = query.where(prediction_id < before)
    return query.order_by(prediction_id.desc()).limit(limit)


def of_model(table: sa.FromClause, revision: ModelRevision | None) -> sa.ColumnElement[bool]:
    """The condition that rows of a table are of a model; None is any model."""
    if revision is None:
        return sa.true()
    return sa.and_(
        table.c.model_id == revision.model_id, table.c.model_revision == revision.model_revision
    )


def _prediction_id(chosen: Filter) -> sa.ColumnElement[UUID]:
    """The column to order rows by: of the table that SQLite goes through first, or it sorts all."""
    by_rating = chosen.has_verdict or (chosen.asks_ratings and not chosen.revision)
    return current_ratings.c.prediction_id if by_rating else predictions.c.id


def _filtered(query: sa.Select[Any], chosen: Filter) -> sa.Select[Any]:
    return query.select_from(_joined).where(*_conditions(chosen))


def _conditions(chosen: Filter) -> Iterator[sa.ColumnElement[bool]]:
    """The conditions on predictions, joined with the ratings that count."""
    if chosen.verdict == "unrated":
        yield UNRATED
    elif chosen.verdict:
        yield current_ratings.c.verdict == chosen.verdict
    if chosen.label:
        yield predictions.c.label == chosen.label
    if chosen.text:
        yield predictions.c.input.icontains(chosen.text, autoescape=True)
    if chosen.revision:
        yield of_model(predictions, chosen.revision)
    # Both leave rated predictions, each spelled so that SQLite goes in the order of `rows_query`.
    if chosen.asks_ratings:
        yield current_ratings.c.id.is_not(None)
    elif chosen.rated:
        yield predictions.c.rated + 0 > 0
    if chosen.disputed:
        yield DISPUTED
    if chosen.tenth is not None:
        yield in_score_bin(chosen.tenth)
    if chosen.truth:
        yield truth(current_ratings) == chosen.truth
    if chosen.day:
        start = datetime.combine(chosen.day, time(), UTC)
        yield current_ratings.c.created_at >= start
        if chosen.day < date.max:  # no rating is after it
            yield current_ratings.c.created_at < start + timedelta(days=1)
    if chosen.blind is not None:
        yield current_ratings.c.blind.is_(chosen.blind)
    if chosen.drawn_to is not None:
        yield predictions.c.draw <= chosen.drawn_to
        yield REVIEWED_ALONE


def _is_tallied(chosen: Filter) -> bool:
    """True if `judgements` has the number: of ratings, chosen by no more than its columns."""
    others = replace(chosen, label="", truth="", tenth=None, blind=None, rated=False, revision=None)
    if chosen.has_verdict:
        others = replace(others, verdict="")
    return (chosen.rated or chosen.asks_ratings) and others == Filter()


def _judgements(chosen: Filter) -> Iterator[sa.ColumnElement[bool]]:
    """The same conditions on `judgements`."""
    wanted = {
        "verdict": chosen.verdict or None,
        "label": chosen.label or None,
        "truth": chosen.truth or None,
        "score_bin": chosen.tenth,
        "blind": chosen.blind,
    }
    for name, value in wanted.items():
        if value is not None:
            yield judgements.c[name] == value
    if chosen.revision:
        yield of_model(judgements, chosen.revision)
