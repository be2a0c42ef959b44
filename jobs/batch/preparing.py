"""Rows of a source as chunks in a folder. The step `prepare` of a job.

Knows no model: which rows a revision has predicted already is in the log.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feedback import FeedbackLog
from feedback.jobs import Job, newest_of, note, open_job
from feedback.jobs.records import Contents
from feedback.records import ModelRevision
from files.sources import Source, SourceRow
from jobs.batch.checks import ReadCounts, checked_groups
from jobs.batch.chunks import Manifest, clear, write_chunk
from jobs.batch.groups import grouped
from jobs.batch.plan import Plan

CHUNK_ROWS = 5000
MAX_CHUNK_ROWS = 100_000  # which are in memory together


def prepare(
    source: Source,
    into: Path,
    log: FeedbackLog,
    plan: Plan,
    *,
    name: str,
    max_chars: int,
    model: ModelRevision | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Manifest:
    """Checks the rows of a source, and writes them as chunks with a manifest into a folder.

    A plan for new or stale rows leaves out those that are neither for `model`, which it needs.
    The job is in the log from then on. What a former call left in the folder is removed first.
    Raises ReadingError as the source does, JobError if the job of that name is another, BatchError
    or OSError if the folder cannot be written.
    """
    job = opened(log, source, plan, name=name)
    into.mkdir(parents=True, exist_ok=True)
    clear(into)
    counts = ReadCounts()
    groups = checked_groups(source, plan, max_chars=max_chars, counts=counts)
    if model and (plan.only_new or plan.stale):
        groups = (wanted(group, log, job, plan, model) for group in groups)
    rows = (row for group in groups for row in group)
    chunks = tuple(
        write_chunk(into, number, chunk) for number, chunk in enumerate(grouped(rows, chunk_rows))
    )
    manifest = Manifest(
        name=name,
        source=source.name,
        source_kind=source.kind_name,
        text_column=source.text_column,
        key_column=source.key_column,
        params=plan.params,
        rows=counts.rows,
        duplicates=counts.duplicates,
        renewed_before=plan.renewed_before,
        chunks=chunks,
    )
    manifest.write(into)
    note(log, job, state="prepared", rows=counts.rows)
    return manifest


def opened(log: FeedbackLog, source: Source, plan: Plan, *, name: str) -> Job:
    """The job of that name in the log, new or known; raises JobError if it is another."""
    return open_job(
        log,
        name=name,
        source=source.name,
        source_kind=source.kind_name,
        text_column=source.text_column,
        key_column=source.key_column,
        params=plan.params,
    )


def wanted(
    rows: Sequence[SourceRow],
    log: FeedbackLog,
    job: Job,
    plan: Plan,
    model: ModelRevision,
    *,
    params: Mapping[str, Any] | None = None,
) -> list[SourceRow]:
    """The rows that the plan has this model predict, and those with a problem.

    `params` are all parameters of the predictions; None if they are not known yet, for a plan of
    new or stale rows.
    """
    newest = newest_of(log, job, [row.key for row in rows if not row.problem])
    contents = Contents()
    return [
        row
        for row in rows
        if row.problem
        or plan.wants(
            newest.get(row.key),
            model,
            content=None if params is None else contents.of(row.text, params),
        )
    ]
