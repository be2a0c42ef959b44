"""The origins that predictions of jobs share: task, model, runtime and common parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from feedback.records import compact_json
from feedback.tables import job_origins
from feedback.totals import INSERT, key_of
from model.prediction import Prediction

_Made = tuple[str, str, str, str]


class Origins:
    """The origins of some predictions, which are in the log from then on."""

    def __init__(self, connection: sa.Connection, predictions: Sequence[Prediction]) -> None:
        """Stores those that are new.

        Parameters that differ among the predictions, such as drawn seeds, are not the origin's.
        """
        self._common: dict[_Made, Mapping[str, Any]] = {}
        for prediction in predictions:
            made, params = _made(prediction), prediction.params
            common = self._common.setdefault(made, params)
            if common != params:
                shared = {
                    name for name in common if name in params and common[name] == params[name]
                }
                self._common[made] = {name: common[name] for name in shared}
        self._numbers = {
            made: _number(connection, made, params)
            for made, params in sorted(self._common.items(), key=lambda item: item[0])
        }

    def of(self, prediction: Prediction) -> tuple[int, Mapping[str, Any] | None]:
        """The number of a prediction's origin; its parameters, None if they are the origin's."""
        made = _made(prediction)
        params = prediction.params
        return self._numbers[made], None if params == self._common[made] else dict(params)


def _made(prediction: Prediction) -> _Made:
    return prediction.task, prediction.model_id, prediction.model_revision, prediction.runtime


def _number(connection: sa.Connection, made: _Made, params: Mapping[str, Any]) -> int:
    """The number of an origin in the log, new or known."""
    ordered = {name: params[name] for name in sorted(params)}
    origin_id = key_of(*made, compact_json(ordered))
    known = sa.select(job_origins.c.number).where(job_origins.c.id == origin_id)
    number = connection.execute(known).scalar()
    if number is None:
        names = ("task", "model_id", "model_revision", "runtime")
        values = dict(zip(names, made, strict=True)) | {"id": origin_id, "params": ordered}
        insert = INSERT[connection.dialect.name](job_origins).values(values)
        connection.execute(insert.on_conflict_do_nothing(index_elements=["id"]))
        number = connection.execute(known).scalar_one()
    return int(number)
