"""A job's prediction without a copy is found, rated, counted, exported and imported as any."""

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from feedback import Entry, FeedbackError, FeedbackLog, Rating, export_csv, import_csv, uncopied
from feedback.csv_file import Imported
from feedback.filters import Filter
from feedback.jobs import Job, by_keys, find, store, storing
from feedback.records import Added
from feedback.tables import jobs, predictions
from feedback.totals import rebuild
from model.prediction import new_id
from tests.helpers.entries import entry, labels, rating
from tests.helpers.jobs import job_of, job_row, job_rows


@pytest.fixture(autouse=True)
def no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "COPIED_ROWS", 0)


@pytest.fixture
def job(log: FeedbackLog) -> Job:
    opened = job_of(log)
    store(log, opened, job_rows(range(6)))
    return opened


def of_job(log: FeedbackLog, job: Job, key: str) -> Entry:
    return by_keys(log, job, [key])[key].entry


def copies(log: FeedbackLog) -> int:
    with log.database.connect() as connection:
        return len(connection.execute(sa.select(predictions.c.id)).all())


def not_copied(log: FeedbackLog) -> int:
    with log.database.connect() as connection:
        return int(connection.execute(sa.select(jobs.c.uncopied)).scalars().one())


def exported_ids(log: FeedbackLog, *, unrated: bool = True) -> list[str]:
    data = b"".join(export_csv(log, unrated=unrated)).decode("utf-8-sig")
    return [row["prediction_id"] for row in csv.DictReader(io.StringIO(data))]


def test_it_is_found_without_being_copied(log: FeedbackLog, job: Job) -> None:
    made = of_job(log, job, "3")
    assert log.find(made.prediction.id) == made
    assert log.find(new_id()) is None
    assert copies(log) == 0


def test_it_is_copied_when_it_is_rated(log: FeedbackLog, job: Job) -> None:
    made, judged = of_job(log, job, "3"), []
    for reviewer in ("Ada", "Bob"):
        judged.append(rating(made, reviewer, verdict="down"))
        assert log.rate(judged[-1])
    assert (copies(log), not_copied(log)) == (1, 5)
    assert log.find(made.prediction.id) == made
    assert log.page(Filter(verdict="down"), offset=0, limit=5)[0][0] == made
    assert log.counts().predictions == 6
    assert (log.counts().rated, log.counts().down) == (1, 2)
    with pytest.raises(FeedbackError, match="no prediction"):
        log.rate(rating(entry()))


def test_two_ratings_at_once_make_one_copy(log: FeedbackLog, job: Job) -> None:
    made = of_job(log, job, "3")
    with ThreadPoolExecutor(4) as pool:
        judged = [rating(made, f"reviewer {number}") for number in range(4)]
        assert all(pool.map(log.rate, judged))
    assert (copies(log), not_copied(log), log.counts().up) == (1, 5, 4)


def test_each_is_exported_once_with_its_ratings(log: FeedbackLog, job: Job) -> None:
    of_page = entry("of a page")
    log.record(of_page)
    log.rate(rating(of_job(log, job, "2")))
    log.rate(rating(of_page))
    made = [of_job(log, job, str(number)) for number in range(6)]
    ids = sorted(str(one.prediction.id) for one in [*made, of_page])
    assert exported_ids(log) == ids
    assert len(exported_ids(log, unrated=False)) == 2


def test_one_that_is_rated_during_an_export_is_there_once(
    log: FeedbackLog, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedback.log.ROWS_AT_ONCE", 2)
    log.record(entry("of a page"))
    made = [of_job(log, job, str(number)) for number in range(6)]

    def rows() -> Iterator[str]:
        for chunk in log.stored(["id"], [], unrated=True):
            yield from (row[0] for row in chunk)
            for one in made:
                log.rate(rating(one))

    assert len(list(rows())) == len(set(exported_ids(log))) == 7


def test_a_file_with_it_is_imported_elsewhere_and_here(
    log: FeedbackLog, job: Job, sqlite_log: FeedbackLog
) -> None:
    row = job_row("odd", "\0=1+\ud800", number=6, output=labels(("\0", 1.0)), params={"p": "ü"})
    store(log, job, [row])
    log.rate(rating(of_job(log, job, "odd"), comment="="))
    file = b"".join(export_csv(log, unrated=True))
    assert import_csv(sqlite_log, io.BytesIO(file)) == Imported(7, Added(7, 1, 0))
    assert b"".join(export_csv(sqlite_log, unrated=True)) == file
    assert import_csv(log, io.BytesIO(file)) == Imported(7, Added(0, 0, 0))
    assert (copies(log), log.counts().predictions) == (1, 7)


def test_predictions_that_were_imported_are_not_counted_twice(
    log: FeedbackLog, job: Job, sqlite_log: FeedbackLog
) -> None:
    import_csv(sqlite_log, io.BytesIO(b"".join(export_csv(log, unrated=True))))
    rows = [
        job_row(
            str(number), f"text {number}", number=number, id=made.id, created_at=made.created_at
        )
        for number in range(6)
        for made in [of_job(log, job, str(number)).prediction]
    ]
    there = job_of(sqlite_log)
    assert store(sqlite_log, there, [*rows, job_row("7", number=7)]).new == 7
    assert sqlite_log.counts().predictions == 7
    assert len(exported_ids(sqlite_log)) == 7


def test_a_rating_of_it_can_be_imported(log: FeedbackLog, job: Job) -> None:
    made = of_job(log, job, "1")
    judged: list[Rating] = [rating(made)]
    assert log.add([made], judged) == Added(0, 1, 0)
    changed = Entry(prediction=made.prediction, source="page", session_id="s")
    assert log.add([of_job(log, job, "2"), changed], []).differing == 1
    assert (copies(log), log.counts().predictions) == (1, 6)


def test_an_id_of_no_job_is_passed_over(log: FeedbackLog, job: Job) -> None:
    with log.database.connect(write=True) as connection:
        uncopied.copy(connection, [new_id()])
        rebuild(connection)
    assert copies(log) == 0
    assert find(log, job.name) is not None
    assert log.labels() == ["positive"]
