"""Batches in the log, on each kind of database."""

from typing import Any

import pytest

from feedback import Entry, FeedbackLog, batches
from feedback.batches import Batch, BatchRow, Progress
from model.prediction import new_id
from tests.helpers.batches import batch_of, entry_in


@pytest.fixture
def batch(log: FeedbackLog) -> Batch:
    rows = [BatchRow(n, (str(n), f"text {n}")) for n in range(2, 1300)]
    return batch_of(log, [*rows, BatchRow(1300, "no,csv", "a quote is opened and never closed")])


def test_a_batch_is_found_as_it_was_made(log: FeedbackLog, batch: Batch) -> None:
    assert batches.find(log, batch.id) == batch
    assert batches.find(log, new_id()) is None
    other = batch_of(log, [], session_id="s2")
    newer = batch_of(log, [])
    assert batches.of_session(log, "s1", limit=9) == [newer, batch]
    assert batches.of_session(log, "s2", limit=9) == [other]


def test_rows_wait_until_something_has_become_of_them(log: FeedbackLog, batch: Batch) -> None:
    first = batches.waiting(log, batch, after=-1)
    assert first[0] == BatchRow(2, ("2", "text 2"))
    assert len(first) < 1298
    second = batches.waiting(log, batch, after=first[-1].number)
    assert second[0].number == first[-1].number + 1

    done: list[tuple[int, Entry | str]] = [(2, entry_in(batch, "text 2", 0.9)), (3, "too long")]
    batches.store(log, batch, done)
    batches.store(log, batch, done)
    assert batches.waiting(log, batch, after=-1)[0].number == 4
    assert batches.progress(log, batch) == Progress(rows=1299, predicted=1, problems=2)
    assert batches.progress(log, batch).left == 1296
    assert log.counts().predictions == 1
    assert log.labels() == ["x"]
    assert [row.problem for row in batches.problems(log, batch)] == [
        "too long",
        "a quote is opened and never closed",
    ]


def test_what_is_known_of_a_row_stays(log: FeedbackLog, batch: Batch) -> None:
    """As when two processes, or an old one that is still stopping, are at the same batch."""
    first, again = entry_in(batch, "text 2", 0.9), entry_in(batch, "text 2", 0.8)
    batches.store(log, batch, [(2, first), (3, "too long")])
    batches.store(log, batch, [(2, again), (3, entry_in(batch, "text 3", 0.9)), (4, "too long")])
    found = batches.results(log, batch, order="file", label=None, offset=0, limit=9)
    assert [(number, of.prediction.id) for number, of in found] == [(2, first.prediction.id)]
    assert batches.labels_of(log, batch) == [("x", 1)]
    assert log.counts().predictions == 1
    assert batches.progress(log, batch) == Progress(rows=1299, predicted=1, problems=3)


def test_a_batch_is_made_once(log: FeedbackLog, batch: Batch) -> None:
    batches.create(log, batch, [BatchRow(9999, ("x", "another"))])
    assert batches.progress(log, batch).problems == 1
    assert 9999 not in [row.number for row in batches.waiting(log, batch, after=1299)]


def test_results_come_in_the_order_that_is_asked_for(log: FeedbackLog, batch: Batch) -> None:
    scores = {2: 0.9, 3: 0.55, 4: 0.2, 5: 0.7}
    batches.store(log, batch, [(n, entry_in(batch, f"text {n}", s)) for n, s in scores.items()])
    other = batch_of(log, [BatchRow(1, ("1", "text"))])
    batches.store(log, other, [(1, entry_in(other, "text", 0.99))])

    def lines(**asked: Any) -> list[int]:
        chosen = {"order": "unsure", "label": None, "offset": 0, "limit": 99} | asked
        return [line for line, _ in batches.results(log, batch, **chosen)]

    assert lines() == [3, 5, 4, 2]
    assert lines(order="sure") == [2, 4, 5, 3]
    assert lines(order="file") == [2, 3, 4, 5]
    assert lines(order="file", offset=1, limit=2) == [3, 4]
    assert lines(order="file", label="x") == [2, 3, 5]
    assert lines(label="none") == []
    assert batches.labels_of(log, batch) == [("x", 3), ("y", 1)]
    ((_, stored),) = batches.results(log, batch, order="sure", label="y", offset=0, limit=9)
    assert stored.batch_id == batch.id
    assert stored.prediction.score == pytest.approx(0.8)
