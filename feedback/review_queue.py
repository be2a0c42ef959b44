"""Which predictions a reviewer is to look at next.

Two ways to choose share the predictions between them. A fixed random share of them comes in an
order drawn by chance: whatever was rated of it, as far as that has come, says how often the model
is right (see feedback.insights). The others come least margin first, where a look is worth most
(uncertainty sampling, Lewis & Gale 1994, https://arxiv.org/abs/cmp-lg/9407020).
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from feedback.log import FeedbackLog
from feedback.records import DRAWS, Entry, Sampling, entry_from
from feedback.tables import predictions, ratings
from feedback.totals import counts

_columns = predictions.c
# Spelled as the indexes are, see feedback.tables.
_unrated, _rated = sa.text("rated = 0"), sa.text("rated > 0")
_disputed = sa.text("down > 0 AND down < rated")


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

    "margin" and "random" give each its part of all predictions, by `random_share`, and what nobody
    has rated first; "agreement" gives what others have rated, "disagreement" what they do not agree
    on. What two models said side by side is not handed out.
    """
    found: list[Entry] = []
    wanted = limit + len(without)
    with log.database.connect() as connection:
        for question in _questions(sampling, int(random_share * DRAWS)):
            mine = sa.exists().where(
                ratings.c.prediction_id == _columns.id, ratings.c.reviewer == reviewer, counts
            )
            for row in connection.execute(question.where(~mine).limit(wanted)).mappings():
                if row["id"] not in without:
                    found.append(entry_from(dict(row)))
                if len(found) == limit:
                    return found
    return found


def _questions(sampling: Sampling, bound: int) -> Sequence[sa.Select[Any]]:
    """What to ask for, the more wanted first; predictions without a margin come last."""
    every = sa.select(predictions).where(_columns.source != "compare")
    by_margin = [every.where(_columns.margin.is_not(None)).order_by(_columns.margin, _columns.id)]
    by_age = [every.where(_columns.margin.is_(None)).order_by(_columns.id.desc())]
    match sampling:
        case "random":
            drawn = every.where(_columns.draw < bound).order_by(_columns.draw)
            return [drawn.where(which) for which in (_unrated, _rated)]
        case "disagreement":
            return [every.where(_disputed).order_by(_columns.id.desc())]
        case "agreement":
            return [question.where(_rated) for question in (*by_margin, *by_age)]
        case _:
            others = _columns.draw >= bound
            return [
                question.where(which, others)
                for which in (_unrated, _rated)
                for question in (*by_margin, *by_age)
            ]
