"""Choices between two predictions: stored once, counted whichever was shown first."""

import csv
import dataclasses
import io

import pytest

from feedback import FeedbackError, FeedbackLog
from feedback.preferences import (
    Better,
    Preference,
    Standing,
    preferences_csv,
    record_preference,
    standing,
)
from feedback.records import ModelRevision
from model.prediction import new_id, now
from tests.helpers.entries import entry

LIVE, NEXT = ModelRevision("model/live", "1"), ModelRevision("model/next", "2")


def prefer(log: FeedbackLog, first: ModelRevision, better: Better, text: str = "x") -> Preference:
    """Stores a choice between the two models, of which `first` is shown first."""
    second = NEXT if first == LIVE else LIVE
    shown = [entry(text, **dataclasses.asdict(model)) for model in (first, second)]
    for one in shown:
        log.record(one)
    ids = [one.prediction.id for one in shown]
    made = Preference(
        id=new_id(),
        created_at=now(),
        reviewer="=Ada",
        first_id=ids[0],
        second_id=ids[1],
        better=better,
    )
    record_preference(log, made)
    return made


def test_wins_count_whichever_is_shown_first(log: FeedbackLog) -> None:
    of_live: list[Better] = ["first", "first", "second", "neither"]
    of_next: list[Better] = ["second", "second", "neither", "first"]
    for better in of_live:
        prefer(log, LIVE, better)
    for better in of_next:
        prefer(log, NEXT, better)
    found = standing(log, LIVE, NEXT)
    assert found == Standing(LIVE, NEXT, wins=4, losses=2, ties=2)
    assert standing(log, NEXT, LIVE) == Standing(NEXT, LIVE, wins=2, losses=4, ties=2)
    assert found.p == pytest.approx(44 / 64)
    assert standing(log, LIVE, ModelRevision("model/next", "3")).p == 1


def test_a_choice_is_stored_once_and_the_first_counts(log: FeedbackLog) -> None:
    made = prefer(log, LIVE, "first")
    record_preference(log, made)
    changed = {name: getattr(made, name) for name in Preference.__slots__} | {"better": "second"}
    record_preference(log, Preference(**changed))
    assert standing(log, LIVE, NEXT) == Standing(LIVE, NEXT, wins=1, losses=0, ties=0)


def test_a_choice_between_what_is_not_there_is_refused(log: FeedbackLog) -> None:
    made = prefer(log, LIVE, "first")
    nowhere = {name: getattr(made, name) for name in Preference.__slots__}
    with pytest.raises(FeedbackError, match="There is no prediction"):
        record_preference(log, Preference(**nowhere | {"id": new_id(), "first_id": new_id()}))


def test_the_file_has_every_choice_and_is_safe_in_a_spreadsheet(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedback.preferences.ROWS_AT_ONCE", 2)
    made = [prefer(log, LIVE, "first", text) for text in ("=cmd", "two\nlines", "a\0\ud800")]
    text = b"".join(preferences_csv(log)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["input"] for row in rows] == ["'=cmd", "two\nlines", "a\x100000\x10d800"]
    assert [row["preference_id"] for row in rows] == [str(one.id) for one in made]
    assert rows[0]["reviewer"] == "'=Ada"
    assert (rows[0]["first_model_id"], rows[0]["better"]) == ("model/live", "first")
