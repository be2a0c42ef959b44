"""The rated set: read piece by piece, and as files that a training script loads."""

import csv
import io
import json
from pathlib import Path

import datasets
import pytest

from feedback import FeedbackLog
from feedback.rated_set import count_rated, encodable, rated, rated_jsonl, training_csv
from model.prediction import Span, Spans
from tests.helpers.entries import entry, labels, rating

RAW = ["=1+1", 'two\r\nlines, and "quotes"', "a\0b", "é 😀 \u2028", "", "'quoted", "x\ud800y"]


def rate(log: FeedbackLog, text: str, *verdicts: str, **changes: object) -> str:
    """Stores a prediction with a rating by each of some reviewers; returns its id."""
    of = entry(text, **changes)
    log.record(of)
    for n, verdict in enumerate(verdicts):
        correction = "" if verdict in ("up", "down") else verdict
        verdict = "down" if correction else verdict
        log.rate(rating(of, f"reviewer {n}", verdict, correction=correction))
    return str(of.prediction.id)


def test_the_newest_first_with_the_ratings_that_count(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedback.rated_set.ROWS_AT_ONCE", 2)
    ids = [rate(log, f"text {n}", *["up"] * (n % 3)) for n in range(9)]
    rate(log, "of another task", "up", task="fill-mask")
    changed = entry("changed mind")
    log.record(changed)
    log.rate(rating(changed, verdict="up"))
    log.rate(rating(changed, verdict="down"))
    taken_back = entry("taken back")
    log.record(taken_back)
    log.rate(rating(taken_back))
    log.rate(rating(taken_back, retracted=True))
    expected = [str(changed.prediction.id), *(ids[n] for n in (8, 7, 5, 4, 2, 1))]
    found = list(rated(log, task="text-classification"))
    assert [str(prediction.id) for prediction, _ in found] == expected
    assert [len(said) for _, said in found] == [1, 2, 1, 2, 1, 2, 1]
    assert found[0][1][0].verdict == "down"
    for limit in range(9):
        some = list(rated(log, task="text-classification", limit=limit))
        assert [str(prediction.id) for prediction, _ in some] == expected[:limit]
    assert len(list(rated(log))) == 8
    assert count_rated(log, task="text-classification") == 7
    assert count_rated(log, task="text-classification", limit=3) == 3


def fill(log: FeedbackLog) -> None:
    for text in RAW:
        rate(log, text, "up")
    rate(log, "corrected", "negative", params={"candidate_labels": ["x", "y"]})
    rate(log, "nobody knows", "down")
    rate(log, "divided", "up", "down")
    rate(log, "not rated")
    rate(log, "several", "up", output=labels(("x", 0.9), ("y", 0.8), multi_label=True))
    rate(log, "Ada", "up", output=Spans((Span("PER", 0.9, 0, 3),)), task="token-classification")


def test_the_training_file_has_what_is_known_to_be_right(sqlite_log: FeedbackLog) -> None:
    fill(sqlite_log)
    text = b"".join(training_csv(sqlite_log)).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["text"] for row in reversed(rows)][:7] == [encodable(text) for text in RAW]
    assert {row["text"]: row["label"] for row in rows[:3]} == {
        "Ada": '[{"label":"PER","start":0,"end":3}]',
        "several": '["x","y"]',
        "corrected": "negative",
    }
    assert json.loads(rows[2]["params"]) == {"candidate_labels": ["x", "y"]}


def test_the_lines_have_every_rated_prediction(sqlite_log: FeedbackLog) -> None:
    fill(sqlite_log)
    lines = [json.loads(line) for line in b"".join(rated_jsonl(sqlite_log)).split(b"\n") if line]
    by_text = {line["text"]: line for line in lines}
    assert len(lines) == len(RAW) + 5
    said = [by_text[t] for t in ("corrected", "nobody knows", "divided")]
    assert [(line["label"], line["right"], line["up"], line["down"]) for line in said] == [
        ("negative", False, 0, 1),
        (None, False, 0, 1),
        (None, None, 1, 1),
    ]
    assert all(line["predicted"] == "positive" for line in said)


def test_an_empty_log_gives_a_header_and_no_line(sqlite_log: FeedbackLog) -> None:
    assert b"".join(training_csv(sqlite_log)).startswith(b"text,label,")
    assert b"".join(rated_jsonl(sqlite_log)) == b""


@pytest.mark.parametrize(("kind", "make"), [("csv", training_csv), ("json", rated_jsonl)])
def test_datasets_loads_it(
    sqlite_log: FeedbackLog, tmp_path: Path, kind: str, make: object
) -> None:
    fill(sqlite_log)
    file = tmp_path / f"rated.{kind}"
    file.write_bytes(b"".join(make(sqlite_log)))  # type: ignore[operator]
    how = {"keep_default_na": False} if kind == "csv" else {}
    loaded = datasets.load_dataset(
        kind, data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"), **how
    )
    texts = list(reversed(loaded["text"]))
    assert texts[: len(RAW)] == [encodable(text) for text in RAW]
    assert {"negative", "positive", '["x","y"]'} <= set(loaded["label"])


def test_spans_are_exported_with_the_text_that_they_are_of(sqlite_log: FeedbackLog) -> None:
    """The model read the inputs otherwise: one letter for letter, the other shorter."""
    spans = Spans((Span("PER", 0.9, 0, 3),))
    task = {"task": "token-classification", "output": spans}
    rate(sqlite_log, "Ada wrote.", "up", read="ada wrote.", **task)
    rate(sqlite_log, "@ada_l wrote.", "up", read="Ada wrote.", **task)
    rate(sqlite_log, "@ada_l wrote.", "up", read="Ada wrote.")
    text = b"".join(training_csv(sqlite_log)).decode()
    expected = ["@ada_l wrote.", "Ada wrote.", "Ada wrote."]
    assert [row["text"] for row in csv.DictReader(io.StringIO(text))] == expected
    lines = b"".join(rated_jsonl(sqlite_log)).splitlines()
    assert [json.loads(line)["text"] for line in lines] == expected
