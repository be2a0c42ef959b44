"""Outcomes of rows into the log, exactly once, and copies of those that are up for review.

A key gets a new version of its prediction when its text, its parameters or the model's revision
have changed. The transaction locks the row of its job, so that of two processes that store the same
rows the second finds what the first has stored. Knows neither the source nor the model.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from feedback.errors import JobError
from feedback.jobs.bulk import insert_many
from feedback.jobs.origins import Origins
from feedback.jobs.records import (
    EXCERPT_CHARS,
    MAX_KEY_CHARS,
    Contents,
    Job,
    JobRow,
    Newest,
    Stored,
)
from feedback.jobs.totals import Change, add_totals, bins_of
from feedback.log import FeedbackLog
from feedback.records import DRAWS, Entry, drawn, entry_values
from feedback.tables import (
    NEWEST_OF_KEY,
    job_origins,
    job_predictions,
    job_rejects,
    jobs,
    predictions,
)
from feedback.totals import INSERT, note_labels
from feedback.uncopied import SESSION, SOURCE
from files.escape import joined, storable
from model.prediction import Prediction, output_to_json

GROUP_ROWS = 5000  # of one transaction
KEYS_AT_ONCE = 1000  # of one statement

# The pages' indexes in random order (of margins, draws) make storing slow once there are millions
# of rows, so `predictions` gets this many of a job at once, all of a small one.
COPIED_ROWS = 20_000
# Beside them the least sure of each group: there a look is worth most. Their share falls, too.
COPIED_UNSURE_SHARE = 0.05

_made = job_predictions.c


def store(
    log: FeedbackLog,
    job: Job,
    rows: Sequence[JobRow],
    *,
    renewed_before: datetime | None = None,
) -> Stored:
    """Stores the outcomes of rows, up to 5,000 in a transaction; a repeated call changes nothing.

    With `renewed_before` a prediction from before that instant gets a new version, though nothing
    has changed. Of rows with the same key the last counts. Raises JobError if another job has the
    predictions, LogUnavailable as the log does: what is not stored then can be given again.
    """
    stored = Stored()
    for first in range(0, len(rows), GROUP_ROWS):
        with log.database.connect(write=True) as connection:
            group = _Group(connection, job, rows[first : first + GROUP_ROWS], renewed_before)
            stored += group.store()
    return stored


def newest_of(log: FeedbackLog, job: Job, keys: Sequence[str]) -> dict[str, Newest]:
    """The facts of the newest prediction of each key that has one."""
    with log.database.connect() as connection:
        known = _known(connection, job, keys)
    return {
        key: Newest(
            content=row.content,
            model_id=row.model_id,
            model_revision=row.model_revision,
            created_at=row.created_at,
        )
        for key, row in known.items()
    }


@dataclass(frozen=True, slots=True)
class _New:
    """A prediction that gets stored as a version of its key."""

    row: JobRow
    prediction: Prediction
    content: int
    version: int


class _Group:
    """Rows that are stored in the transaction of a connection."""

    def __init__(
        self,
        connection: sa.Connection,
        job: Job,
        rows: Sequence[JobRow],
        renewed_before: datetime | None,
    ) -> None:
        self._connection, self._job = connection, job
        self._renewed_before = renewed_before
        self._rejects = [
            row for row in map(_with_fitting_key, rows) if isinstance(row.outcome, str)
        ]
        by_key = {row.key: row for row in rows if len(row.key) <= MAX_KEY_CHARS}
        self._rows = [row for row in by_key.values() if not isinstance(row.outcome, str)]

    def store(self) -> Stored:
        """Stores the rows, and returns their numbers."""
        counters = sa.select(jobs.c.stored, jobs.c.rejects).where(jobs.c.number == self._job.number)
        stored, rejects = self._connection.execute(counters.with_for_update()).one()
        new = self._new(has_stored=stored > 0)
        replaced = [item for item in new if item.version > 1]
        copied = 0
        if new:
            self._store_new(new, replaced)
            copied = self._copy(new, stored + len(new))
        more_rejects = self._store_rejects()
        if new or more_rejects:
            changes = {
                "stored": stored + len(new),
                "uncopied": jobs.c.uncopied + (len(new) - copied),
                "rejects": rejects + more_rejects,
            }
            update = sa.update(jobs).where(jobs.c.number == self._job.number)
            self._connection.execute(update.values(changes))
        return Stored(
            new=len(new) - len(replaced),
            same=len(self._rows) - len(new),
            replaced=len(replaced),
            rejects=len(self._rejects),
        )

    def _new(self, *, has_stored: bool) -> list[_New]:
        """The rows whose prediction is not stored yet."""
        keys = [row.key for row in self._rows]
        known = _known(self._connection, self._job, keys) if has_stored else {}
        contents, new = Contents(), []
        for row in self._rows:
            prediction = row.outcome
            if isinstance(prediction, str):
                continue
            content = row.content
            if content is None:
                content = contents.of(row.text, prediction.params)
            there = known.get(row.key)
            if there is None:
                new.append(_New(row, prediction, content, 1))
            elif self._is_changed(there, content, prediction):
                new.append(_New(row, prediction, content, there.version + 1))
        there_ids = self._stored_ids([item.prediction.id for item in new])
        return [item for item in new if item.prediction.id not in there_ids]

    def _is_changed(self, there: sa.Row[Any], content: int, prediction: Prediction) -> bool:
        """True if a prediction is to follow the newest of its key."""
        now = (content, prediction.model_id, prediction.model_revision)
        if (there.content, there.model_id, there.model_revision) != now:
            return True
        before = self._renewed_before
        return before is not None and there.created_at < min(before, prediction.created_at)

    def _stored_ids(self, ids: Sequence[UUID]) -> set[UUID]:
        """Those of the ids that the job has, as when an old file of predictions is stored again."""
        there: set[UUID] = set()
        for row in _with_ids(self._connection, _made.prediction_id, ids, _made.job):
            if row.job != self._job.number:
                name = sa.select(jobs.c.name).where(jobs.c.number == row.job)
                other = self._connection.execute(name).scalar_one()
                raise JobError(
                    f"These predictions are stored under the name {other!r:.80} already. Predict "
                    f"anew for {self._job.name!r:.80}, or store them under that name."
                )
            there.add(row.id)
        return there

    def _store_new(self, new: Sequence[_New], replaced: Sequence[_New]) -> None:
        origins = Origins(self._connection, [item.prediction for item in new])
        changes: Counter[Change] = Counter()
        for keys in _pieces([item.row.key for item in replaced]):
            changes.subtract(self._bins_of_newest(keys))
            of_keys = (_made.job == self._job.number, _made.key.in_(keys), NEWEST_OF_KEY)
            self._connection.execute(
                sa.update(job_predictions).where(*of_keys).values(newest=False)
            )
        values = [self._values(item, origins) for item in new]
        insert_many(self._connection, job_predictions, values)
        for row in values:
            changes.update(
                bins_of(
                    origin=row["origin"],
                    label=row["label"],
                    margin=row["margin"],
                    chars=len(storable(row["input"])),
                    created_at=row["created_at"],
                )
            )
        add_totals(self._connection, self._job.number, changes)
        note_labels(self._connection, {row["label"] for row in values})

    def _values(self, item: _New, origins: Origins) -> dict[str, Any]:
        prediction = item.prediction
        origin, params = origins.of(prediction)
        return {
            "job": self._job.number,
            "key": item.row.key,
            "version": item.version,
            "newest": True,
            "place": item.row.number,
            "content": item.content,
            "origin": origin,
            "prediction_id": prediction.id,
            "created_at": prediction.created_at,
            "params": params,
            "input": prediction.input,
            "output": output_to_json(prediction.output),
            "label": joined(prediction.label),
            "score": prediction.score,
            "margin": prediction.margin,
            "truncated": prediction.truncated,
            "queue_ms": prediction.queue_ms,
            "inference_ms": prediction.inference_ms,
            "read": prediction.read,
        }

    def _bins_of_newest(self, keys: Sequence[str]) -> Iterator[Change]:
        """The bins of predictions that are not the newest of their keys any more."""
        query = sa.select(
            _made.origin,
            _made.label,
            _made.margin,
            sa.func.length(_made.input).label("chars"),
            _made.created_at,
        ).where(_made.job == self._job.number, _made.key.in_(keys), NEWEST_OF_KEY)
        for row in self._connection.execute(query).mappings():
            yield from bins_of(**row)

    def _copy(self, new: Sequence[_New], stored: int) -> int:
        """Copies what is up for review into `predictions`; returns how many of all are there.

        The share that is copied by its draw falls as the job grows, so all predictions up to some
        draw are copied, of those stored first and of those stored last: in the order of draws
        the copies begin with a uniform sample of the job, as the queue of review needs.
        """
        by_id = {item.prediction.id: item.prediction for item in new}
        bound = DRAWS * COPIED_ROWS // max(stored, COPIED_ROWS)
        margins = (
            (prediction.margin, prediction_id) for prediction_id, prediction in by_id.items()
        )
        unsure = sorted(pair for pair in margins if pair[0] is not None)
        share = COPIED_UNSURE_SHARE * min(1.0, COPIED_ROWS / stored)
        chosen = {prediction_id for _, prediction_id in unsure[: ceil(len(new) * share)]}
        chosen.update(prediction_id for prediction_id in by_id if drawn(prediction_id) < bound)
        # An imported file may have brought some of them.
        there = {row.id for row in _with_ids(self._connection, predictions.c.id, list(by_id))}
        copied = [by_id[prediction_id] for prediction_id in sorted(chosen - there)]
        insert_many(self._connection, predictions, list(map(self._copied_values, copied)))
        return len(copied) + len(there)

    def _copied_values(self, prediction: Prediction) -> dict[str, Any]:
        entry = Entry(
            prediction=prediction, source=SOURCE, session_id=SESSION, batch_id=self._job.batch_id
        )
        return entry_values(entry)

    def _store_rejects(self) -> int:
        """Stores the rows without a prediction; returns how many were not known as such."""
        if not self._rejects:
            return 0
        by_number = {
            row.number: {
                "job": self._job.number,
                "number": row.number,
                "place": row.place,
                "key": row.key,
                "reason": row.outcome,
                "excerpt": (row.excerpt or row.text)[:EXCERPT_CHARS],
            }
            for row in self._rejects
        }
        of_job = job_rejects.c.job == self._job.number
        known: set[int] = set()
        for numbers in _pieces(list(by_number)):
            query = sa.select(job_rejects.c.number).where(of_job, job_rejects.c.number.in_(numbers))
            known.update(self._connection.execute(query).scalars())
        statement = INSERT[self._connection.dialect.name](job_rejects)
        changed = {name: statement.excluded[name] for name in ("place", "key", "reason", "excerpt")}
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["job", "number"], set_=changed),
            list(by_number.values()),
        )
        return len(by_number) - len(known)


def _with_fitting_key(row: JobRow) -> JobRow:
    """The row, without a prediction if its key is too long for the log."""
    if len(row.key) <= MAX_KEY_CHARS:
        return row
    reason = f"The key has {len(row.key):,} characters; it may have {MAX_KEY_CHARS}."
    return replace(row, key=row.key[:MAX_KEY_CHARS], outcome=reason)


def _known(connection: sa.Connection, job: Job, keys: Sequence[str]) -> dict[str, sa.Row[Any]]:
    """The newest prediction of each key that has one, without its text and output."""
    query = sa.select(
        _made.key,
        _made.version,
        _made.content,
        _made.created_at,
        job_origins.c.model_id,
        job_origins.c.model_revision,
    ).join(job_origins, job_origins.c.number == _made.origin)
    known: dict[str, sa.Row[Any]] = {}
    for piece in _pieces(keys):
        of_keys = query.where(_made.job == job.number, _made.key.in_(piece), NEWEST_OF_KEY)
        known |= {row.key: row for row in connection.execute(of_keys)}
    return known


def _with_ids(
    connection: sa.Connection,
    column: sa.Column[UUID],
    ids: Sequence[UUID],
    *others: sa.Column[Any],
) -> Iterator[sa.Row[Any]]:
    """The rows of a table that have one of the ids, which are seldom there.

    New ids are greater than all that are stored, which one look at an index shows.
    """
    if not ids:
        return
    between = column.between(min(ids), max(ids))
    if connection.execute(sa.select(sa.literal(1)).where(between).limit(1)).first() is None:
        return
    for piece in _pieces(ids):
        yield from connection.execute(
            sa.select(column.label("id"), *others).where(column.in_(piece))
        )


def _pieces(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(items), KEYS_AT_ONCE):
        yield items[first : first + KEYS_AT_ONCE]
