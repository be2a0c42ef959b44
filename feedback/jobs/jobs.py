"""Jobs in the log: opened by name, found, and noted how they go. Knows no prediction."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from feedback.errors import JobError
from feedback.jobs.records import MAX_NAME_CHARS, Job, State
from feedback.log import FeedbackLog
from feedback.records import compact_json
from feedback.tables import batches, job_rejects, jobs
from feedback.uncopied import SESSION
from model.prediction import new_id, now

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_columns = [column for column in jobs.columns if column.name != "uncopied"]


def open_job(
    log: FeedbackLog,
    *,
    name: str,
    source: str,
    source_kind: str,
    text_column: str,
    key_column: str = "",
    params: Mapping[str, Any],
) -> Job:
    """The job of that name, new or known, with this source and these parameters from now on.

    Raises JobError if the job of that name has other columns or another kind of source.
    """
    if not name or len(name) > MAX_NAME_CHARS:
        raise JobError(
            f"The name of a job is {name!r:.80}; it must have 1 to {MAX_NAME_CHARS} characters."
        )
    given = {"source_kind": source_kind, "text_column": text_column, "key_column": key_column}
    latest = {"source": source, "params": compact_json(dict(params)), "updated_at": now()}
    with log.database.connect(write=True) as connection:
        insert = _INSERT.get(connection.dialect.name)
        if insert is None:
            raise JobError("Jobs need SQLite or PostgreSQL; DATABASE_URL names another database.")
        _create(connection, insert, {"name": name, **given, **latest})
        is_it = jobs.c.name == name
        job = _job(connection.execute(sa.select(*_columns).where(is_it)).one())
        require_same(job, **given)
        connection.execute(sa.update(jobs).where(is_it).values(latest))
        return _job(connection.execute(sa.select(*_columns).where(is_it)).one())


def _create(connection: sa.Connection, insert: Any, values: dict[str, Any]) -> None:
    """Stores a job and its batch, unless there is a job of that name."""
    known = sa.select(jobs.c.number).where(jobs.c.name == values["name"])
    if connection.execute(known).first():
        return
    created_at, batch_id = values["updated_at"], new_id()
    columns = [column for column in (values["text_column"], values["key_column"]) if column]
    batch = {
        "id": batch_id,
        "created_at": created_at,
        "session_id": SESSION,
        "name": values["name"],
        "columns": compact_json(columns),
        "text_column": 0,
        "params": values["params"],
        "rows": 0,
    }
    connection.execute(sa.insert(batches).values(batch))
    numbers = dict.fromkeys(("rows", "rejects", "stored", "uncopied"), 0)
    state: State = "prepared"
    job = values | numbers | {"batch_id": batch_id, "created_at": created_at}
    statement = insert(jobs).values(job | {"state": state, "note": ""})
    statement = statement.on_conflict_do_nothing(index_elements=["name"])
    created = connection.execute(statement.returning(jobs.c.number))
    if created.first() is None:  # another process was quicker
        connection.execute(sa.delete(batches).where(batches.c.id == batch_id))


def require_same(job: Job, *, source_kind: str, text_column: str, key_column: str) -> None:
    """Raises JobError if a job has other columns or another kind of source."""
    given = {"source_kind": source_kind, "text_column": text_column, "key_column": key_column}
    names = {"source_kind": "source", "text_column": "text column", "key_column": "key column"}
    for field, value in given.items():
        if (there := getattr(job, field)) != value:
            raise JobError(
                f"The job {job.name!r:.80} has the {names[field]} {there!r:.80} and not "
                f"{value!r:.80}. Give this one another name."
            )


def find(log: FeedbackLog, name: str) -> Job | None:
    """The job of that name, or whose id on the pages that is; None if the log has none."""
    named = _read(log, sa.select(*_columns).where(jobs.c.name == name))
    if named:
        return named[0]
    try:
        batch_id = UUID(name)
    except ValueError:
        return None
    return next(iter(_read(log, sa.select(*_columns).where(jobs.c.batch_id == batch_id))), None)


def newest(log: FeedbackLog, *, limit: int, offset: int = 0) -> list[Job]:
    """The jobs that were opened first most recently."""
    query = sa.select(*_columns).order_by(jobs.c.number.desc())
    return _read(log, query.offset(offset).limit(limit))


def count(log: FeedbackLog) -> int:
    """The number of jobs."""
    with log.database.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one()


def previous(log: FeedbackLog, job: Job) -> Job | None:
    """The job before this one that has predictions of the same kind of source, or None."""
    query = sa.select(*_columns).where(
        jobs.c.source_kind == job.source_kind,
        jobs.c.text_column == job.text_column,
        jobs.c.number < job.number,
        jobs.c.stored > 0,
    )
    return next(iter(_read(log, query.order_by(jobs.c.number.desc()).limit(1))), None)


def start(log: FeedbackLog, job: Job) -> Job:
    """The job as running; its rejects are those of the run that begins."""
    with log.database.connect(write=True) as connection:
        connection.execute(sa.delete(job_rejects).where(job_rejects.c.job == job.number))
        return _change(connection, job, {"state": "running", "rejects": 0, "note": ""})


def note(
    log: FeedbackLog,
    job: Job,
    *,
    state: State | None = None,
    rows: int | None = None,
    rejects: int | None = None,
    note: str | None = None,
) -> Job:
    """The job with these changes, which are stored; None leaves a value as it is."""
    given = {"state": state, "rows": rows, "rejects": rejects, "note": note}
    changes = {name: value for name, value in given.items() if value is not None}
    with log.database.connect(write=True) as connection:
        if rows is not None:
            connection.execute(
                sa.update(batches).where(batches.c.id == job.batch_id).values(rows=rows)
            )
        return _change(connection, job, changes)


def _change(connection: sa.Connection, job: Job, changes: dict[str, Any]) -> Job:
    is_it = jobs.c.number == job.number
    connection.execute(sa.update(jobs).where(is_it).values(changes | {"updated_at": now()}))
    return _job(connection.execute(sa.select(*_columns).where(is_it)).one())


def _read(log: FeedbackLog, query: sa.Select[Any]) -> list[Job]:
    with log.database.connect() as connection:
        return [_job(row) for row in connection.execute(query)]


def _job(row: sa.Row[Any]) -> Job:
    values = dict(row._mapping)
    return Job(**values | {"params": json.loads(values["params"])})
