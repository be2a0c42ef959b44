"""Predictions of a challenger for texts that the live model answered: as pairs, and counted.

As for two models side by side, both are entries of the log, the challenger's with the source
`compare`. Its session names the prediction that was answered.
"""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from feedback.log import FeedbackLog
from feedback.records import Entry, ModelRevision, Source, entry_from
from feedback.tables import predictions
from model.prediction import Prediction

SOURCE: Source = "compare"
SESSION = "shadow-"  # followed by the id of the prediction that was answered
SEARCHED = 20_000  # of the newest predictions: no index has the pairs


@dataclass(frozen=True, slots=True)
class ShadowedPair:
    """The prediction that was answered, and the challenger's for the same text."""

    answered: Entry
    other: Entry

    @property
    def same_answer(self) -> bool:
        return self.answered.prediction.answer == self.other.prediction.answer


def shadow_entry(prediction: Prediction, answered: UUID) -> Entry:
    """The entry of a challenger's prediction for the text of the prediction `answered`."""
    return Entry(prediction=prediction, source=SOURCE, session_id=f"{SESSION}{answered}")


def newest_pairs(log: FeedbackLog, *, limit: int) -> list[ShadowedPair]:
    """The newest pairs, the newest first, among the newest 20,000 predictions.

    All are of the challenger that made the newest of them.
    """
    table = predictions
    newest = sa.select(table.c.id).order_by(table.c.id.desc()).limit(SEARCHED).subquery()
    shadowed = sa.select(table).where(
        table.c.id.in_(sa.select(newest.c.id)),
        table.c.session_id.startswith(SESSION),
        table.c.source == SOURCE,
    )
    with log.database.connect() as connection:
        rows = connection.execute(shadowed.order_by(table.c.id.desc()).limit(limit))
        others = [entry_from(dict(row._mapping)) for row in rows]
        ids = [UUID(entry.session_id.removeprefix(SESSION)) for entry in others]
        found = connection.execute(sa.select(table).where(table.c.id.in_(ids)))
        answered = {row.id: entry_from(dict(row._mapping)) for row in found}
    pairs = [
        ShadowedPair(answered[of], other)
        for of, other in zip(ids, others, strict=True)
        if of in answered  # stored in another transaction, perhaps not yet
    ]
    return [pair for pair in pairs if model_of(pair.other) == model_of(pairs[0].other)]


def model_of(entry: Entry) -> ModelRevision:
    """The model that made the prediction of an entry."""
    return ModelRevision(entry.prediction.model_id, entry.prediction.model_revision)
