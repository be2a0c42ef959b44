"""The log's promises, on SQLite and on PostgreSQL."""

import csv
import io
import threading
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from feedback import FeedbackError, FeedbackLog, export_csv
from feedback.records import Counts
from tests.helpers.entries import entry, history, labels, rating

UGLY = [
    "plain",
    "",
    " \n\t ",
    "NUL \0 in it",
    "lone \ud800 surrogate \udfff",
    "the mark itself \x10 and \x100000",
    "😀 مرحبا עברית 中文",
    "<script>alert(1)</script> **bold** :smile: $x$",
    "=cmd()|' /C calc'!A0",
    "'; DROP TABLE ratings; --",
    "a" * 100_000,
]


@pytest.mark.parametrize("text", UGLY, ids=range(len(UGLY)))
def test_any_text_comes_back_as_typed(log: FeedbackLog, text: str) -> None:
    stored = entry(text, output=labels((text or "x", 1.0)), model_id=text, params={"a": text})
    said = rating(stored, reviewer=text, correction=text, comment=text)
    log.record(stored)
    log.rate(said)
    assert log.find(stored.prediction.id) == stored
    assert log.ratings_of(stored.prediction.id) == [said]


def test_the_text_that_was_read_comes_back_and_is_exported(log: FeedbackLog) -> None:
    stored = [entry("@bob\0 =1", read="=@user\0\ud800 =1"), entry("the same")]
    log.add(stored, [])
    assert [log.find(each.prediction.id) for each in stored] == stored
    rows = csv.DictReader(io.StringIO(b"".join(export_csv(log, unrated=True)).decode("utf-8-sig")))
    assert [row["read"] for row in rows] == ["'=@user\x100000\x10d800 =1", ""]


def test_an_instant_comes_back_with_its_microseconds(log: FeedbackLog) -> None:
    stored = entry(created_at=datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC))
    log.record(stored)
    assert log.find(stored.prediction.id) == stored


def test_recording_twice_stores_once(log: FeedbackLog) -> None:
    stored = entry()
    log.record(stored)
    log.record(stored)
    assert log.counts().predictions == 1


def test_a_double_click_is_one_rating(log: FeedbackLog) -> None:
    stored = entry()
    log.record(stored)
    assert log.rate(rating(stored))
    assert not log.rate(rating(stored))
    assert len(history(log, unrated=False)) == 1


def test_many_clicks_at_once_are_one_rating(log: FeedbackLog) -> None:
    stored = entry()
    start = threading.Barrier(8)
    failed: list[Exception] = []

    def click() -> None:
        try:
            start.wait()
            log.record(stored)
            log.rate(rating(stored))
        except Exception as error:  # noqa: BLE001 - a thread's failure must reach the test
            failed.append(error)

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(history(log, unrated=True)) == 1


def test_the_newest_rating_of_each_reviewer_counts(log: FeedbackLog) -> None:
    stored = entry()
    log.record(stored)
    log.rate(rating(stored, "Ada", "up"))
    changed = rating(stored, "Ada", "down", correction="neutral")
    other = rating(stored, "Bob", "up")
    log.rate(changed)
    log.rate(other)
    assert log.ratings_of(stored.prediction.id) == [changed, other]
    assert log.counts() == Counts(predictions=1, rated=1, up=1, down=1, reviewers=2)
    assert len(history(log, unrated=False)) == 3, "history keeps every revision"


def test_a_retracted_rating_does_not_count_and_can_be_given_again(log: FeedbackLog) -> None:
    stored = entry()
    log.record(stored)
    log.rate(rating(stored, "Ada", "up"))
    log.rate(rating(stored, "Ada", "up", retracted=True))
    assert log.ratings_of(stored.prediction.id) == []
    assert log.counts() == Counts(predictions=1, rated=0, up=0, down=0, reviewers=0)
    assert log.rate(rating(stored, "Ada", "up"))
    assert log.counts().up == 1


def test_a_repeated_call_with_the_same_rating_is_stored_once(log: FeedbackLog) -> None:
    stored = entry()
    log.record(stored)
    first = rating(stored, verdict="up")
    log.rate(first)
    log.rate(rating(stored, verdict="down"))
    assert not log.rate(first), "its answer was lost, so the caller sent it again"
    assert len(history(log, unrated=False)) == 2


def test_retracting_what_was_never_said_stores_nothing(log: FeedbackLog) -> None:
    stored = entry()
    log.record(stored)
    assert not log.rate(rating(stored, retracted=True))
    assert history(log, unrated=False) == []


def test_a_rating_needs_its_prediction(log: FeedbackLog) -> None:
    with pytest.raises(FeedbackError, match="no prediction"):
        log.rate(rating(entry()))


def test_what_is_not_there_is_none(log: FeedbackLog) -> None:
    assert log.find(uuid4()) is None
    assert log.ratings_of(uuid4()) == []
    assert log.counts() == Counts(0, 0, 0, 0, 0)
    assert log.labels() == []
