"""A replay's results, by a predictor whose answers are known."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from feedback import Entry, FeedbackLog
from feedback.rated_set import rated
from jobs.replay.run import OTHER_TEXT, Replay, replay
from tests.helpers import tiny
from tests.helpers.entries import entry, labels, rating
from tests.helpers.predictor import FakePredictor
from tests.helpers.preprocess import loaded as load
from tests.helpers.preprocess import write

NEGATIVE = labels(("negative", 0.7), ("positive", 0.2), ("neutral", 0.1))


def loaded() -> FakePredictor:
    predictor = FakePredictor()
    predictor.load()
    return predictor


def rate(log: FeedbackLog, text: str, verdict: str, correction: str = "") -> Entry:
    """A prediction that says negative, with a rating."""
    stored = entry(text, output=NEGATIVE)
    log.record(stored)
    log.rate(rating(stored, verdict=verdict, correction=correction))
    return stored


def test_each_outcome(sqlite_log: FeedbackLog) -> None:
    rate(sqlite_log, "a good day", "down", "positive")  # now positive
    rate(sqlite_log, "a good book", "up")  # now positive
    rate(sqlite_log, "a bad day", "up")
    rate(sqlite_log, "a bad book", "down", "positive")
    left_out = Counter[str]()
    results = replay(loaded(), rated(sqlite_log), left_out=left_out)
    outcomes = {result.reference.prediction.input: result.outcome for result in results}
    assert outcomes == {
        "a good day": "fixed",
        "a good book": "broken",
        "a bad day": "still right",
        "a bad book": "still wrong",
    }
    assert not left_out


def test_of_one_text_the_newest_is_compared_and_divided_ones_are_left_out(
    sqlite_log: FeedbackLog,
) -> None:
    rate(sqlite_log, "a bad day", "up")
    newest = rate(sqlite_log, "a bad day", "down", "positive")
    divided = rate(sqlite_log, "a bad book", "up")
    sqlite_log.rate(rating(divided, "Bob", "down"))
    left_out = Counter[str]()
    (result,) = replay(loaded(), rated(sqlite_log), left_out=left_out)
    assert result.reference.prediction.id == newest.prediction.id
    assert left_out == {"repeated": 1, "divided": 1}


def test_a_replay_in_the_background_ends_with_its_results(sqlite_log: FeedbackLog) -> None:
    rate(sqlite_log, "a good day", "down", "positive")
    running = Replay(loaded(), sqlite_log, limit=10)
    running.join()
    assert [result.outcome for result in running.results] == ["fixed"]
    assert not running.problem


def test_spans_of_two_texts_are_not_compared(
    sqlite_log: FeedbackLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rated prediction is of a model that read the input as it was typed."""
    write(tmp_path, monkeypatch)
    model = load("clean", str(tiny.bert_tagger(tmp_path / "model")))
    for text in ("@ada wrote, see https://x.org", "Ada wrote."):
        (prediction,) = model.predict([text])
        stored = Entry(
            prediction=dataclasses.replace(prediction, read=None), source="page", session_id="s"
        )
        sqlite_log.record(stored)
        sqlite_log.rate(rating(stored))
    same, other = replay(model, rated(sqlite_log), left_out=Counter())
    assert (same.outcome, same.problem) == ("still right", "")
    assert (other.new, other.problem) == (None, OTHER_TEXT)
    model.close()
