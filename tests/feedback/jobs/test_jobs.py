"""Jobs are opened by name, found, and noted."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from feedback import FeedbackLog, batches
from feedback.errors import JobError
from feedback.jobs import find, newest, note, previous, store
from feedback.tables import batches as batch_table
from tests.helpers.jobs import job_of, job_rows


def test_a_job_is_opened_once(log: FeedbackLog) -> None:
    job = job_of(log, params={"a": 1})
    again = job_of(log, source="reviews-2.csv", params={"b": ["ü", "\0"]})
    assert (again.number, again.batch_id) == (job.number, job.batch_id)
    assert (again.source, again.params) == ("reviews-2.csv", {"b": ["ü", "\0"]})
    assert (job.state, job.rows, job.rejects, job.stored) == ("prepared", 0, 0, 0)


def test_a_job_with_other_columns_or_source_is_refused(log: FeedbackLog) -> None:
    job_of(log)
    for change, message in {
        ("text_column", "body"): "'weekly' has the text column 'text' and not 'body'",
        ("key_column", ""): "'weekly' has the key column 'id' and not ''",
        ("source_kind", "query"): "'weekly' has the source 'reviews.csv' and not 'query'",
    }.items():
        with pytest.raises(JobError, match=message):
            job_of(log, **dict([change]))


def test_threads_that_open_a_job_at_once_get_the_same(log: FeedbackLog) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: job_of(log), range(8)))
    assert len({job.number for job in jobs}) == 1
    with log.database.connect() as connection:
        number = connection.execute(sa.select(sa.func.count()).select_from(batch_table))
        assert number.scalar_one() == 1


def test_a_job_is_found_by_its_name_and_its_id(log: FeedbackLog) -> None:
    job = job_of(log)
    assert find(log, "weekly") == find(log, str(job.batch_id)) == job
    assert find(log, "none") is None
    assert find(log, "00000000-0000-0000-0000-000000000000") is None


def test_the_pages_know_a_job_as_a_batch(log: FeedbackLog) -> None:
    job = job_of(log)
    note(log, job, rows=7)
    batch = batches.find(log, job.batch_id)
    assert batch is not None
    assert (batch.name, batch.columns, batch.rows) == ("weekly", ("text", "id"), 7)
    assert batches.results(log, batch, order="file", label=None, offset=0, limit=5) == []


def test_changes_are_noted(log: FeedbackLog) -> None:
    job = job_of(log)
    noted = note(log, job, state="done", rows=5, rejects=1, note="\0 done")
    assert noted == find(log, "weekly")
    assert (noted.state, noted.rows, noted.rejects, noted.note) == ("done", 5, 1, "\0 done")
    assert note(log, job, note="").state == "done"


def test_the_newest_come_first_and_the_one_before_is_of_the_same_source(log: FeedbackLog) -> None:
    first, other = job_of(log, "1"), job_of(log, "2", source_kind="other.csv")
    empty, last = job_of(log, "3"), job_of(log, "4")
    assert [job.name for job in newest(log, limit=3)] == ["4", "3", "2"]
    assert previous(log, last) is None
    for job in (first, other):
        store(log, job, job_rows(range(3)))
    before = previous(log, last)
    assert before is not None
    assert before.name == "1"
    assert previous(log, first) is None
    assert previous(log, empty) == before
