"""Predictions of jobs are found by key and by text, and all are exported in order."""

import pytest

from feedback import FeedbackLog
from feedback.jobs import (
    Job,
    by_keys,
    by_text,
    exported,
    history,
    lookup,
    rejects_of,
    store,
)
from feedback.jobs.records import content_of, contents_of
from tests.helpers.jobs import job_of, job_row, job_rows, reject


def texts(log: FeedbackLog, job: Job) -> list[str]:
    return [stored.entry.prediction.input for piece in exported(log, job) for stored in piece]


def test_keys_are_found_in_the_order_asked(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "KEYS_AT_ONCE", 2)
    job, other = job_of(log), job_of(log, "other")
    store(log, job, job_rows(range(5)))
    store(log, other, [job_row("5")])
    assert list(by_keys(log, job, ["4", "none", "0", "2", "5"])) == ["4", "0", "2"]
    assert by_keys(log, job, []) == {}
    found = by_keys(log, job, ["3"])["3"]
    assert (found.key, found.version, found.place, found.newest) == ("3", 1, 3, True)
    assert (found.entry.source, found.entry.batch_id) == ("job", job.batch_id)


def test_a_text_is_found_with_any_parameters(log: FeedbackLog) -> None:
    job, other = job_of(log), job_of(log, "other")
    rows = [
        job_row("a", "twice", number=0),
        job_row("b", "twice", number=1, params={"labels": ["x"]}),
        job_row("c", "once", number=2),
        job_row("d", "twice", number=3),
    ]
    store(log, job, rows)
    store(log, job, [job_row("d", "changed", number=3)])
    store(log, other, [job_row("e", "twice")])
    assert {stored.key for stored in by_text(log, job, "twice", limit=9)} == {"a", "b"}
    assert len(by_text(log, job, "twice", limit=1)) == 1
    assert by_text(log, job, "nowhere", limit=9) == []


def test_another_text_of_the_same_hash_is_not_found(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(log)
    store(log, job, [job_row("a", "a text")])
    monkeypatch.setattr(lookup, "contents_of", lambda text: contents_of("a text"))
    assert by_text(log, job, "other", limit=9) == []


@pytest.mark.parametrize("text", ["", "a", "\0", "\ud800", "x" * 10_000])
def test_a_content_is_64_bits_within_the_bounds_of_its_text(text: str) -> None:
    least, greatest = contents_of(text)
    contents = {content_of(text, params) for params in ({}, {"a": 1}, {"a": [1]}, {"b": 1, "a": 2})}
    assert len(contents) == 4
    assert all(-(2**63) <= least <= content <= greatest < 2**63 for content in contents)
    assert content_of(text, {"a": 2, "b": 1}) in contents


def test_the_history_has_each_version_newest_first(log: FeedbackLog) -> None:
    job = job_of(log)
    for revision in ("a", "b", "c"):
        store(log, job, [job_row("k", model_revision=revision), job_row("other")])
    there = history(log, job, "k")
    assert [stored.entry.prediction.model_revision for stored in there] == ["c", "b", "a"]
    assert history(log, job, "none") == []


def test_all_are_exported_in_pieces_in_the_order_of_the_source(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "ROWS_AT_ONCE", 3)
    job = job_of(log)
    store(log, job, job_rows(range(10)))
    # The file of another week: other keys in the same places.
    store(log, job, [job_row(f"k{number}", f"new {number}", number=4) for number in range(5)])
    expected = [f"text {number}" for number in range(10)]
    expected[5:5] = [f"new {number}" for number in range(5)]
    assert texts(log, job) == expected
    store(log, job, [job_row("9", "renewed", number=9)])
    assert texts(log, job) == [*expected[:-1], "renewed"]
    assert texts(log, job_of(log, "other")) == []


def test_what_is_stored_during_an_export_moves_no_row(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "ROWS_AT_ONCE", 3)
    job = job_of(log)
    store(log, job, job_rows(range(8)))
    keys = []
    for piece in exported(log, job):
        keys += [stored.key for stored in piece]
        store(log, job, job_rows(range(8), f"changed {len(keys)} {{}}"))
    assert keys == [str(number) for number in range(8)]


def test_rejects_come_in_the_order_of_the_source(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "ROWS_AT_ONCE", 2)
    job = job_of(log)
    store(log, job, [reject(number) for number in (9, 0, 11, 2, 10)])
    assert [rejected.number for rejected in rejects_of(log, job)] == [0, 2, 9, 10, 11]
