"""Outcomes of rows are stored exactly once, whatever is given again."""

import multiprocessing
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from feedback import FeedbackLog
from feedback.errors import JobError
from feedback.jobs import (
    Job,
    JobRow,
    Stored,
    by_keys,
    content_of,
    exported,
    find,
    history,
    newest_of,
    rejects_of,
    start,
    store,
    storing,
)
from feedback.records import DRAWS, drawn
from feedback.tables import job_predictions, predictions
from model.prediction import GeneratedText, ScoredLabel, ScoredLabels, now
from tests.helpers.entries import labels
from tests.helpers.jobs import job_of, job_row, job_rows, reject, store_in_process

NASTY = [
    "",
    "\0",
    "a\0b",
    "\ud800",
    "\x10",
    "\\N",
    "\\.",
    'tab\tand\nline\r\n"quoted"',
    "😀",
    "NULL",
]


def versions(log: FeedbackLog, job: Job, key: str) -> list[int]:
    return [stored.version for stored in history(log, job, key)]


def ids(log: FeedbackLog) -> set[UUID]:
    """The ids of the copies."""
    with log.database.connect() as connection:
        return set(connection.execute(sa.select(predictions.c.id)).scalars())


def test_rows_are_stored_and_repeating_changes_nothing(log: FeedbackLog) -> None:
    job, rows = job_of(log), job_rows(range(20))
    assert store(log, job, rows) == Stored(new=20)
    assert store(log, job, rows) == Stored(same=20)
    assert store(log, job, job_rows(range(20))) == Stored(same=20)
    (piece,) = exported(log, job)
    assert [stored.entry.prediction for stored in piece] == [row.outcome for row in rows]
    assert log.counts().predictions == 20


def test_another_text_parameter_or_revision_is_a_new_version(log: FeedbackLog) -> None:
    job = job_of(log)
    changes: list[dict[str, Any]] = [{}, {"params": {"a": 1}}, {"model_revision": "def"}]
    store(log, job, [job_row("k", "first")])
    for change in changes:
        row = job_row("k", "second", **change)
        assert store(log, job, [row]) == Stored(replaced=1)
        assert store(log, job, [row]) == Stored(same=1)
        assert by_keys(log, job, ["k"])["k"].entry.prediction == row.outcome
    assert versions(log, job, "k") == [4, 3, 2, 1]
    assert [stored.newest for stored in history(log, job, "k")] == [True, False, False, False]


def test_predictions_of_before_an_instant_are_renewed_once(log: FeedbackLog) -> None:
    job, old = job_of(log), now() - timedelta(days=31)
    store(log, job, [job_row("old", created_at=old), job_row("new")])
    before, again = now() - timedelta(days=30), [job_row("old"), job_row("new")]
    assert store(log, job, again, renewed_before=before) == Stored(same=1, replaced=1)
    assert store(log, job, again, renewed_before=before) == Stored(same=2)
    assert store(log, job, [job_row("old")], renewed_before=before) == Stored(same=1)


def test_an_older_file_of_predictions_that_is_stored_again_changes_nothing(
    log: FeedbackLog,
) -> None:
    job = job_of(log)
    older, newer = [job_row("k", "first")], [job_row("k", "second")]
    for rows in (older, newer):
        store(log, job, rows)
    assert store(log, job, older) == Stored(same=1)
    assert by_keys(log, job, ["k"])["k"].entry.prediction == newer[0].outcome


def test_predictions_of_another_job_are_refused(log: FeedbackLog) -> None:
    rows = job_rows(range(3))
    store(log, job_of(log, "one"), rows)
    with pytest.raises(JobError, match="stored under the name 'one'"):
        store(log, job_of(log, "two"), rows)


def test_of_rows_with_one_key_the_last_counts(log: FeedbackLog) -> None:
    job, last = job_of(log), job_row("k", "last")
    assert store(log, job, [job_row("k", "first"), last]) == Stored(new=1)
    assert by_keys(log, job, ["k"])["k"].entry.prediction == last.outcome


@pytest.mark.parametrize("copied", [True, False])
def test_any_text_and_any_key_comes_back(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    monkeypatch.setattr(storing, "COPIED_ROWS", 20_000 if copied else 0)
    job = job_of(log, "\0\ud800", source="\ud800")
    rows = [
        job_row(text, text, number=number, output=labels((text or "x", 1.0)), params={"p": text})
        for number, text in enumerate(NASTY)
    ]
    assert store(log, job, rows) == Stored(new=len(NASTY))
    assert store(log, job, rows) == Stored(same=len(NASTY))
    there = by_keys(log, job, NASTY)
    for row in rows:
        entry = there[row.key].entry
        assert entry.prediction == row.outcome
        assert log.find(entry.prediction.id) == entry
    assert len(ids(log)) == (len(NASTY) if copied else 0)


def test_a_key_that_no_index_takes_is_a_reject(log: FeedbackLog) -> None:
    job = job_of(log)
    rows = [job_row("\0" * 501, "text"), job_row("\0" * 500, number=1)]
    assert store(log, job, rows) == Stored(new=1, rejects=1)
    (rejected,) = rejects_of(log, job)
    assert rejected.reason == "The key has 501 characters; it may have 500."
    assert rejected.excerpt == "text"


def test_the_name_of_a_job_has_a_length(log: FeedbackLog) -> None:
    for name in ("", "n" * 201):
        with pytest.raises(JobError, match="1 to 200 characters"):
            job_of(log, name)
    assert job_of(log, "\0" * 200).name == "\0" * 200


def test_generated_texts_and_their_seeds_are_stored(log: FeedbackLog) -> None:
    job, asked = job_of(log), {"seed": 0, "temperature": 1.0}
    rows = [
        JobRow(
            place=row.place,
            number=row.number,
            key=row.key,
            text=row.text,
            outcome=row.outcome,
            content=content_of(row.text, asked),
        )
        for number in range(3)
        for row in [
            job_row(
                str(number),
                number=number,
                output=GeneratedText("more", 1, "end"),
                params=asked | {"seed": number + 1},
            )
        ]
    ]
    assert store(log, job, rows) == Stored(new=3)
    there = by_keys(log, job, ["0", "1", "2"])
    assert [there[row.key].entry.prediction for row in rows] == [row.outcome for row in rows]
    again = [
        JobRow(
            place=row.place,
            number=row.number,
            key=row.key,
            text=row.text,
            outcome=job_row(row.key, params=asked | {"seed": 99}).outcome,
            content=content_of(row.text, asked),
        )
        for row in rows
    ]
    assert store(log, job, again) == Stored(same=3)


def test_rejects_are_those_of_the_last_run(log: FeedbackLog) -> None:
    job = start(log, job_of(log))
    bad = [reject(7, "It is \0 empty.", text="x" * 300), reject(3, excerpt="line 3")]
    for _ in range(2):
        assert store(log, job, [*bad, *job_rows(range(2))]).rejects == 2
    assert [one.number for one in rejects_of(log, job)] == [3, 7]
    first, last = rejects_of(log, job)
    assert (first.excerpt, last.excerpt, last.reason) == ("line 3", "x" * 200, "It is \0 empty.")
    known = find(log, job.name)
    assert known is not None
    assert (known.rejects, known.stored) == (2, 2)
    started = start(log, job)
    assert (started.state, started.rejects) == ("running", 0)
    assert list(rejects_of(log, job)) == []


def test_a_run_learns_what_is_there(log: FeedbackLog) -> None:
    job, row = job_of(log), job_row("k", "first")
    store(log, job, [row])
    known = newest_of(log, job, ["k", "other"])
    assert list(known) == ["k"]
    assert known["k"].content == content_of("first", {})
    assert (known["k"].model_id, known["k"].model_revision) == ("model/bundled", "abc")


def test_groups_of_any_size_are_stored(log: FeedbackLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "GROUP_ROWS", 7)
    monkeypatch.setattr(storing, "KEYS_AT_ONCE", 3)
    job, rows = job_of(log), job_rows(range(20))
    assert store(log, job, rows) == Stored(new=20)
    assert store(log, job, job_rows(range(25), model_revision="b")) == Stored(new=5, replaced=20)
    assert store(log, job, []) == Stored()


# --- several at once ------------------------------------------------------------------------------


def test_processes_that_store_the_same_rows_store_each_once(log_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    rows = [job_rows(range(400)) for _ in range(3)]  # the same rows, predicted three times
    processes = [
        context.Process(target=store_in_process, args=(log_url, some, barrier)) for some in rows
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    log = FeedbackLog(log_url)
    with log.database.connect() as connection:
        number = connection.execute(sa.select(sa.func.count()).select_from(job_predictions))
        assert number.scalar_one() == 400
    assert log.counts().predictions == 400
    log.close()


def test_threads_that_renew_the_same_rows_make_one_version(log: FeedbackLog) -> None:
    job = job_of(log)
    store(log, job, job_rows(range(50)))
    renewed = [job_rows(range(50), model_revision="new") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda rows: store(log, job, rows), renewed))
    assert sum(outcome.replaced for outcome in outcomes) == 50
    assert sum(outcome.same for outcome in outcomes) == 150
    assert {tuple(versions(log, job, str(number))) for number in range(50)} == {(2, 1)}


# --- copies for review ----------------------------------------------------------------------------


def test_copies_begin_with_the_same_draws_as_all_rows(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "COPIED_ROWS", 100)
    monkeypatch.setattr(storing, "GROUP_ROWS", 70)
    job, chance = job_of(log), random.Random(4)
    rows = [
        job_row(str(number), number=number, output=_labels(0.5 + chance.random() / 2))
        for number in range(2000)
    ]
    store(log, job, rows)
    draws = sorted(drawn(row.outcome.id) for row in rows if not isinstance(row.outcome, str))
    copied = sorted(map(drawn, ids(log)))
    below = [draw for draw in draws if draw < DRAWS * 100 // 2000]
    assert len(below) > 60
    assert copied[: len(below)] == below
    assert len(copied) < 700
    assert log.counts().predictions == 2000


def test_the_least_sure_of_each_group_are_copied(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "COPIED_ROWS", 1)  # so that hardly any is copied by its draw
    monkeypatch.setattr(storing, "COPIED_UNSURE_SHARE", 5.0)
    job = job_of(log)
    rows = [job_row(str(n), number=n, output=_labels(0.5 + n / 1000)) for n in range(500)]
    random.Random(1).shuffle(rows)
    store(log, job, rows)
    with log.database.connect() as connection:
        margins = sorted(connection.execute(sa.select(predictions.c.margin)).scalars())
    assert margins[:5] == pytest.approx([0.002 * n for n in range(5)])
    assert len(margins) < 20


def _labels(first: float) -> ScoredLabels:
    return ScoredLabels((ScoredLabel("positive", first), ScoredLabel("negative", 1 - first)))
