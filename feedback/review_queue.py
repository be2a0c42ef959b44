"""The next predictions for a reviewer to look at.

A fixed random share of the predictions is handed out in random order; ratings of that share, up to
where the queue has got, estimate accuracy without selection bias (see feedback.insights). The
others come least margin first, where a look is worth most (uncertainty sampling, Lewis & Gale
1994, https://arxiv.org/abs/cmp-lg/9407020).
"""

from collections.abc import Collection, Sequence
from typing import Any, assert_never
from uuid import UUID

import sqlalchemy as sa

from feedback.log import FeedbackLog
from feedback.records import DRAWS, Entry, Sampling, entry_from
from feedback.tables import CURRENT, DISPUTED, RATED, REVIEWED_ALONE, UNRATED, predictions, ratings

_columns = predictions.c


def to_review(
    log: FeedbackLog,
    reviewer: str,
    sampling: Sampling,
    *,
    random_share: float,
    limit: int,
    without: Collection[UUID] = (),
) -> list[Entry]:
    """The next predictions that `reviewer` has not rated, at most `limit`.

    "margin" and "random" share all predictions by `random_share`, and give unrated predictions
    first; "agreement" gives predictions that others have rated, "disagreement" those on which they
    do not agree. Predictions of two models side by side are left out.
    """
    entries: list[Entry] = []
    wanted = limit + len(without)
    with log.database.connect() as connection:
        for query in _queries(sampling, int(random_share * DRAWS)):
            mine = sa.exists().where(
                ratings.c.prediction_id == _columns.id, ratings.c.reviewer == reviewer, CURRENT
            )
            for row in connection.execute(query.where(~mine).limit(wanted)).mappings():
                if row["id"] not in without:
                    entries.append(entry_from(dict(row)))
                if len(entries) == limit:
                    return entries
    return entries


def _queries(sampling: Sampling, bound: int) -> Sequence[sa.Select[Any]]:
    """The queries in the order of preference; predictions without a margin come last."""
    reviewed = sa.select(predictions).where(REVIEWED_ALONE)
    with_margin = reviewed.where(_columns.margin.is_not(None))
    by_margin = with_margin.order_by(_columns.margin, _columns.id)
    by_age = reviewed.where(_columns.margin.is_(None)).order_by(_columns.id.desc())
    match sampling:
        case "random":
            drawn = reviewed.where(_columns.draw < bound).order_by(_columns.draw)
            return [drawn.where(UNRATED), drawn.where(RATED)]
        case "disagreement":
            return [reviewed.where(DISPUTED).order_by(_columns.id.desc())]
        case "agreement":
            return [by_margin.where(RATED), by_age.where(RATED)]
        case "margin" | "":
            return [
                query.where(rated, _columns.draw >= bound)
                for rated in (UNRATED, RATED)
                for query in (by_margin, by_age)
            ]
        case _:
            assert_never(sampling)
