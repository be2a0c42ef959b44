"""Jobs in the log: many predictions under one name, stored exactly once, looked up and compared."""

from feedback.errors import JobError, JobRunning
from feedback.jobs.drift import Distribution
from feedback.jobs.jobs import find, newest, note, open_job, previous, require_same, start
from feedback.jobs.lock import Lock, exclusive, is_running
from feedback.jobs.lookup import by_keys, by_text, exported, history, rejects_of
from feedback.jobs.records import (
    Job,
    JobRow,
    Newest,
    Reject,
    State,
    Stored,
    StoredPrediction,
    Summary,
    content_of,
)
from feedback.jobs.storing import newest_of, store
from feedback.jobs.totals import distribution, summary

__all__ = [
    "Distribution",
    "Job",
    "JobError",
    "JobRow",
    "JobRunning",
    "Lock",
    "Newest",
    "Reject",
    "State",
    "Stored",
    "StoredPrediction",
    "Summary",
    "by_keys",
    "by_text",
    "content_of",
    "distribution",
    "exclusive",
    "exported",
    "find",
    "history",
    "is_running",
    "newest",
    "newest_of",
    "note",
    "open_job",
    "previous",
    "rejects_of",
    "require_same",
    "start",
    "store",
    "summary",
]
