"""The choice of a job: its parameters, and the rows that are to be predicted.

Knows no source and no model.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from feedback.jobs import Newest
from feedback.records import ModelRevision
from jobs.batch.errors import BatchError

OnDuplicate = Literal["refuse", "last"]
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """Predictions of another revision than the model's, and those made before an instant."""

    before: datetime | None = None

    @classmethod
    def parsed(cls, text: str, now: datetime) -> "Stale":
        """The predictions older than a duration such as 30d, or with "" those of other revisions.

        Raises BatchError for any other text.
        """
        if not text:
            return cls()
        match = re.fullmatch(r"(\d{1,5})([mhdw])", text.strip())
        if match is None:
            raise BatchError(
                f"--stale is {text!r}; it must be a number of minutes, hours, days or weeks such "
                "as 90m, 12h, 30d or 4w."
            )
        return cls(before=now - timedelta(**{_UNITS[match[2]]: int(match[1])}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rows of a source that a job predicts, with these parameters.

    - `only_new`: the keys without a prediction by the model's revision.
    - `stale`: the keys whose prediction is stale.
    - With neither: the rows whose text and parameters the revision has not predicted yet.
    - `on_duplicate`: of rows with one key the first is predicted and the others are refused, or
      the last is predicted.
    - `limit`: so many rows of the source are read at most.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    only_new: bool = False
    stale: Stale | None = None
    on_duplicate: OnDuplicate = "refuse"
    limit: int | None = None

    @property
    def renewed_before(self) -> datetime | None:
        """The instant before which a prediction is made again, though by the same revision."""
        return self.stale.before if self.stale else None

    def wants(
        self, newest: Newest | None, model: ModelRevision, *, content: int | None = None
    ) -> bool:
        """True if the model is to predict a row, given the newest prediction of its key.

        `content` is that of the row; None if it is not known yet, for a plan of new or stale rows.
        """
        if newest is None:
            return self.stale is None or self.only_new
        if (newest.model_id, newest.model_revision) != (model.model_id, model.model_revision):
            return True
        if self.stale:
            return self.stale.before is not None and newest.created_at < self.stale.before
        return not self.only_new and newest.content != content
