"""Batches in the background, with real models and a real log."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feedback import FeedbackLog, LogUnavailable, batches
from feedback.batches import Batch, BatchRow
from feedback.filters import Filter
from jobs.batch import runs as batch_module
from jobs.batch.runs import BatchRuns
from jobs.loader import ModelLoader
from model import Model
from model.prediction import new_id, now
from tests.helpers import tiny
from tests.helpers.until import until


def make(log: FeedbackLog, texts: list[str]) -> Batch:
    rows = [BatchRow(n, (str(n), text)) for n, text in enumerate(texts)]
    batch = Batch(
        id=new_id(),
        created_at=now(),
        session_id="s1",
        name="texts",
        columns=("id", "text"),
        text_column=1,
        params={},
        rows=len(rows),
    )
    batches.create(log, batch, rows)
    return batch


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """For tests to which it makes no difference what is predicted."""
    made = Model(str(tiny.bert_classifier(tmp_path_factory.mktemp("tiny") / "model")), device="cpu")
    made.load()
    yield made
    made.close()


@pytest.fixture
def runs(sqlite_log: FeedbackLog) -> Iterator[BatchRuns]:
    made = BatchRuns(lambda: sqlite_log)
    yield made
    made.close()


def test_all_rows_are_predicted_and_stored_duplicates_too(
    sqlite_log: FeedbackLog, runs: BatchRuns, model: Model
) -> None:
    texts = [*["I love it", "I hate it", "I love it", "line\nbreak"] * 150, "so good " * 400]
    batch = make(sqlite_log, texts)
    runs.start(batch, model, left=batch.rows)
    until(lambda: runs.current(batch.id) is None)
    last = runs.last(batch.id)
    assert last is not None
    assert last.error == ""
    assert batches.progress(sqlite_log, batch).predicted == len(texts)
    found = batches.results(sqlite_log, batch, order="file", label=None, offset=0, limit=9999)
    assert [entry.prediction.input for _, entry in found] == texts
    assert {entry.source for _, entry in found} == {"batch"}
    assert found[0][1].prediction.label == "positive"
    assert [n for n, (_, entry) in enumerate(found) if entry.prediction.truncated] == [600]


def test_started_twice_it_runs_once(
    sqlite_log: FeedbackLog, runs: BatchRuns, tiny_model: Model
) -> None:
    batch = make(sqlite_log, ["a text"] * 300)
    for _ in range(3):
        runs.start(batch, tiny_model, left=batch.rows)
    until(lambda: runs.current(batch.id) is None)
    assert sqlite_log.counts().predictions == 300


def test_it_stops_and_goes_on_where_it_was(
    sqlite_log: FeedbackLog, runs: BatchRuns, tiny_model: Model
) -> None:
    batch = make(sqlite_log, [f"text number {n}" for n in range(6000)])
    runs.start(batch, tiny_model, left=batch.rows)
    until(lambda: batches.progress(sqlite_log, batch).predicted)
    run = runs.current(batch.id)
    assert run is not None
    assert run.per_s >= 0
    run.stop()
    until(lambda: runs.current(batch.id) is None)
    stopped = batches.progress(sqlite_log, batch)
    assert 0 < stopped.predicted < 6000
    assert stopped.left == run.left

    runs.start(batch, tiny_model, left=stopped.left)
    until(lambda: runs.current(batch.id) is None)
    found = batches.results(sqlite_log, batch, order="file", label=None, offset=0, limit=9999)
    assert [entry.prediction.input for _, entry in found] == [
        f"text number {n}" for n in range(6000)
    ]
    assert sqlite_log.counts().predictions == 6000


def test_more_batches_than_are_run_at_once_wait_and_can_be_stopped(
    sqlite_log: FeedbackLog, runs: BatchRuns, tiny_model: Model
) -> None:
    every = [make(sqlite_log, ["text"] * 2000) for _ in range(batch_module.AT_ONCE + 1)]
    for batch in every:
        runs.start(batch, tiny_model, left=batch.rows)
    last = runs.current(every[-1].id)
    assert last is not None
    assert not last.begun
    for batch in every:
        run = runs.current(batch.id)
        assert run is not None
        run.stop()
    until(lambda: not any(runs.current(batch.id) for batch in every))
    assert batches.progress(sqlite_log, every[-1]).predicted == 0


def test_a_log_that_is_away_for_a_while_loses_nothing(
    sqlite_log: FeedbackLog, tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.batch.waiting.RETRY_S", 0.05)
    away = threading.Event()

    def log() -> FeedbackLog:
        if away.is_set():
            raise LogUnavailable("The feedback log cannot be reached.")
        return sqlite_log

    runs = BatchRuns(log)
    batch = make(sqlite_log, [f"text {n}" for n in range(4000)])
    runs.start(batch, tiny_model, left=batch.rows)
    run = runs.current(batch.id)
    assert run is not None
    until(lambda: batches.progress(sqlite_log, batch).predicted)
    away.set()
    until(lambda: run.error)
    away.clear()
    until(lambda: runs.current(batch.id) is None)
    assert (run.error, batches.progress(sqlite_log, batch).predicted) == ("", 4000)
    runs.close()


def test_close_stops_what_runs(sqlite_log: FeedbackLog, tiny_model: Model) -> None:
    runs = BatchRuns(lambda: sqlite_log)
    batch = make(sqlite_log, ["text"] * 5000)
    runs.start(batch, tiny_model, left=batch.rows)
    until(lambda: batches.progress(sqlite_log, batch).predicted)
    runs.close()
    assert runs.current(batch.id) is None
    assert batches.progress(sqlite_log, batch).left > 0


def test_a_batch_goes_on_with_the_model_that_replaces_its_own(
    sqlite_log: FeedbackLog, tmp_path: Path
) -> None:
    folder = tiny.bert_classifier(tmp_path / "model")
    loader = ModelLoader(lambda: Model(str(folder), device="cpu"))
    old = loader.current().result(60)
    assert isinstance(old, Model)
    forward = old.loaded.runtime.forward

    def slow(rows: Any) -> Any:  # so that the batch is not done before the other model is there
        time.sleep(0.1)
        return forward(rows)

    old.loaded.runtime.forward = slow  # type: ignore[method-assign]
    runs = BatchRuns(lambda: sqlite_log, loader.current)
    batch = make(sqlite_log, [f"text {n}" for n in range(3000)])
    runs.start(batch, old, left=batch.rows)
    until(lambda: batches.progress(sqlite_log, batch).predicted)
    tiny.renew(folder)
    loader.reload()
    until(lambda: runs.current(batch.id) is None)
    last = runs.last(batch.id)
    assert last is not None
    assert last.error == ""
    progress = batches.progress(sqlite_log, batch)
    assert (progress.predicted, progress.problems) == (batch.rows, 0)
    stored = sqlite_log.page(Filter(), offset=0, limit=batch.rows)
    revisions = {entry.prediction.model_revision for entry, _ in stored}
    assert revisions == {old.info.revision, loader.current().result().info.revision}
    runs.close()
    loader.close()
