"""The rows that a job predicts: by key, content, revision and age, with the fake predictor."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from feedback import FeedbackLog
from feedback.jobs import by_keys, find, history
from feedback.tables import job_predictions
from files.sources import open_source
from jobs.batch.errors import BatchError
from jobs.batch.plan import Plan, Stale
from jobs.batch.running import Run, RunCounts, run
from model import InputError
from model.prediction import now
from tests.helpers.job_commands import csv_file
from tests.helpers.predictor import FakePredictor

Rows = list[tuple[str, str]]
FIRST: Rows = [("a", "a good day"), ("b", "a bad day"), ("c", "a day")]


@pytest.fixture
def fake() -> Iterator[FakePredictor]:
    made = FakePredictor()
    made.load()
    yield made
    made.close()


def ran(log: FeedbackLog, fake: FakePredictor, file: Path, rows: Rows, plan: Plan) -> RunCounts:
    source = open_source([str(csv_file(file, rows))], text_column="text", key_column="id")
    return run(source, log, fake, plan, name="weekly", max_chars=100)


def versions_of(log: FeedbackLog, *keys: str) -> list[int]:
    job = find(log, "weekly")
    assert job
    return [len(history(log, job, key)) for key in keys]


def test_a_changed_text_is_predicted_again_and_the_newest_counts(
    log: FeedbackLog, fake: FakePredictor, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    ran(log, fake, file, FIRST, Plan())
    changed: Rows = [("a", "now a bad day"), *FIRST[1:], ("d", "a good day")]
    counts = ran(log, fake, file, changed, Plan())
    assert (counts.stored.new, counts.stored.replaced, counts.there) == (1, 1, 2)
    job = find(log, "weekly")
    assert job
    assert by_keys(log, job, ["a"])["a"].entry.prediction.label == "negative"
    assert versions_of(log, "a", "b", "d") == [2, 1, 1]


def test_only_new_leaves_alone_what_the_revision_has_predicted(
    log: FeedbackLog, fake: FakePredictor, tmp_path: Path
) -> None:
    file, changed = tmp_path / "rows.csv", [("a", "another text"), *FIRST[1:], ("d", "new")]
    ran(log, fake, file, FIRST, Plan())
    assert ran(log, fake, file, changed, Plan(only_new=True)).wanted == 1
    assert versions_of(log, "a", "d") == [1, 1]
    fake.renew("2")
    assert ran(log, fake, file, changed, Plan(only_new=True)).wanted == 4
    assert versions_of(log, "a", "d") == [2, 2]


def test_stale_predicts_what_another_revision_has_predicted_and_what_is_old(
    log: FeedbackLog, fake: FakePredictor, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    ran(log, fake, file, FIRST, Plan())
    more: Rows = [*FIRST, ("d", "new")]
    assert ran(log, fake, file, more, Plan(stale=Stale())).wanted == 0
    with log.database.connect(write=True) as connection:
        old = {"created_at": now() - timedelta(days=40)}
        change = sa.update(job_predictions).where(job_predictions.c.key.in_(["a", "b"]))
        connection.execute(change.values(old))
    stale = Stale.parsed("30d", now())
    for wanted in (2, 0):  # what was renewed is not old any more
        assert ran(log, fake, file, more, Plan(stale=stale)).wanted == wanted
    assert versions_of(log, "a", "b", "c", "d") == [2, 2, 1, 0]
    fake.renew("2")
    assert ran(log, fake, file, more, Plan(stale=Stale())).wanted == 3
    assert ran(log, fake, file, more, Plan(stale=Stale(), only_new=True)).wanted == 1


def test_a_model_that_went_back_to_a_revision_predicts_again(
    log: FeedbackLog, fake: FakePredictor, tmp_path: Path
) -> None:
    file, wanted = tmp_path / "rows.csv", []
    for revision in ("1", "2", "1", "1"):
        fake.renew(revision)
        wanted.append(ran(log, fake, file, FIRST, Plan()).wanted)
    assert wanted == [3, 3, 3, 0]
    job = find(log, "weekly")
    assert job
    assert by_keys(log, job, ["a"])["a"].entry.prediction.model_revision == "1"


def test_params_that_the_task_does_not_have_end_the_job_before_a_row_is_read(
    log: FeedbackLog, fake: FakePredictor, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no parameter 'top_k'"):
        ran(log, fake, tmp_path / "rows.csv", FIRST, Plan(params={"top_k": 3}))


def test_a_run_that_is_stopped_before_it_begins_stores_nothing_and_can_be_run_again(
    log: FeedbackLog, fake: FakePredictor, tmp_path: Path
) -> None:
    file = csv_file(tmp_path / "rows.csv", FIRST)
    source = open_source([str(file)], text_column="text", key_column="id")
    stopped = Run(source, log, fake, Plan(), name="weekly")
    stopped.stop()
    assert stopped.run(max_chars=100).stopped
    job = find(log, "weekly")
    assert job
    assert (job.state, job.stored) == ("interrupted", 0)
    assert ran(log, fake, file, FIRST, Plan()).stored.new == 3


@pytest.mark.parametrize("text", ["30", "d", "-1d", "3 d", "999999d", "30D"])
def test_an_age_is_a_number_and_a_unit(text: str) -> None:
    with pytest.raises(BatchError, match="--stale is"):
        Stale.parsed(text, now())
