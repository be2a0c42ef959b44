"""Predicts the rows of batches in the background, a few batches at a time, and stores them.

Knows no page: a page of any session finds the run of a batch here by the batch's id.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID

from errors import TryoutError
from feedback import Entry, FeedbackLog
from feedback.batches import Batch, BatchRow, store, waiting
from jobs.batch.waiting import once_available
from model import ModelClosed, ModelError, Prediction, Predictor
from model.bulk import predict_each
from model.futures import is_done

logger = logging.getLogger(f"tryout.{__name__}")

AT_ONCE = 4  # others wait: the queue must have room for those who paste one text
ENDED_RUNS = 100  # are remembered, with the errors that ended them
STORED_EVERY_ROWS = 200
STORED_EVERY_S = 1.0
RATE_OVER_S = 10.0

POLL_S = 0.1

OpenLog = Callable[[], FeedbackLog]
Loading = Callable[[], Future[Predictor]]
T = TypeVar("T")


class BatchRun:
    """A batch that is being predicted: its progress, its speed, and a way to stop it."""

    def __init__(self, batch: Batch, left: int) -> None:
        self.batch = batch
        self.left = left
        self.error = ""
        self.model_is_away = False  # it is waited for
        self._stop = threading.Event()
        self._marks: list[tuple[float, int]] = []  # times in s, with the rows left then

    def stop(self) -> None:
        """Ends it soon; the rows predicted by then are stored."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    @property
    def begun(self) -> bool:
        return bool(self._marks)

    @property
    def per_s(self) -> float:
        """Rows a second over the last ten seconds; 0 if that is not known yet."""
        marks = self._marks
        if len(marks) < 3:  # the first rows also waited for a place in the queue
            return 0.0
        (then_s, then_left), (now_s, now_left) = marks[0], marks[-1]
        return (then_left - now_left) / max(now_s - then_s, 1e-6)

    def run(self, model: Predictor, log: OpenLog, loading: Loading | None) -> None:
        """Predicts and stores the rows that are left; notes in `error` why it had to end early.

        If the model is replaced meanwhile, the one that `loading` gives goes on.
        """
        self._mark()
        try:
            while True:
                try:
                    self._predict(model, log)
                    return
                except ModelClosed:
                    successor = self._successor(loading) if loading else None
                    if successor is None or successor is model:
                        raise
                    model = successor
        except TryoutError as error:
            self.error = str(error)
        except Exception:
            logger.exception("The batch %s failed", self.batch.id)
            self.error = "The batch failed; the owner finds the details in the app's log."

    def _successor(self, loading: Loading) -> Predictor | None:
        """The model that is there now, once it is loaded; None if the batch is stopped before."""
        future = loading()
        while not is_done(future, POLL_S):
            if self.stopped:
                return None
        return future.result()

    def _predict(self, model: Predictor, log: OpenLog) -> None:
        done: list[tuple[int, Entry | str]] = []  # row numbers, each with an entry or a problem
        stored_s = time.monotonic()
        inputs = self._inputs(log)
        results = predict_each(
            model, inputs, goes_on=lambda: not self.stopped, on_away=self._note_away
        )
        try:
            for number, result in results:
                done.append((number, self._entry_or_problem(result)))
                if len(done) >= STORED_EVERY_ROWS or time.monotonic() - stored_s > STORED_EVERY_S:
                    self._store(log, done)
                    done, stored_s = [], time.monotonic()
        except ModelError:
            self._store(log, done)
            raise
        self._store(log, done)

    def _note_away(self, is_away: bool) -> None:
        self.model_is_away = is_away

    def _inputs(self, log: OpenLog) -> Iterator[tuple[int, str, Any]]:
        batch, last = self.batch, -1
        while rows := self._waiting(log, after=last):
            for row in rows:
                yield row.number, row.cells[batch.text_column], batch.params
            last = rows[-1].number

    def _waiting(self, log: OpenLog, *, after: int) -> list[BatchRow]:
        return self._once_available(lambda: waiting(log(), self.batch, after=after))

    def _entry_or_problem(self, result: Prediction | ModelError) -> Entry | str:
        if isinstance(result, ModelError):
            return str(result)
        batch = self.batch
        return Entry(
            prediction=result, source="batch", session_id=batch.session_id, batch_id=batch.id
        )

    def _store(self, log: OpenLog, done: list[tuple[int, Entry | str]]) -> None:
        self._once_available(lambda: store(log(), self.batch, done))
        self.left -= len(done)
        self._mark()

    def _once_available(self, ask: Callable[[], T]) -> T:
        """The answer of the log, once it is available.

        Raises LogUnavailable if the batch is stopped before.
        """
        return once_available(ask, stop=self._stop, on_away=self._note_log_away)

    def _note_log_away(self, reason: str) -> None:
        self.error = reason

    def _mark(self) -> None:
        now_s = time.monotonic()
        recent = [mark for mark in self._marks if now_s - mark[0] < RATE_OVER_S]
        self._marks = [*recent, (now_s, self.left)]


class BatchRuns:
    """The runs of batches in this process."""

    def __init__(self, log: OpenLog, loading: Loading | None = None) -> None:
        """`loading` gives the live model, which may replace the one that a batch began with."""
        self._log = log
        self._loading = loading
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="batch")
        self._runs: dict[UUID, tuple[BatchRun, Future[None]]] = {}

    def start(self, batch: Batch, model: Predictor, *, left: int) -> None:
        """Starts a run of a batch unless it has one; `left` is the number of its waiting rows."""
        with self._lock:
            if self._current(batch.id):
                return
            ended = [key for key, (_, future) in self._runs.items() if future.done()]
            for key in ended[:-ENDED_RUNS]:
                del self._runs[key]
            run = BatchRun(batch, left)
            self._runs[batch.id] = (
                run,
                self._pool.submit(run.run, model, self._log, self._loading),
            )

    def current(self, batch_id: UUID) -> BatchRun | None:
        """The run of a batch that goes on, or waits for others to end; None if there is none."""
        with self._lock:
            return self._current(batch_id)

    def last(self, batch_id: UUID) -> BatchRun | None:
        """The last run of a batch in this process, even if it has ended; None if it had none."""
        with self._lock:
            run, _ = self._runs.get(batch_id, (None, None))
            return run

    def close(self) -> None:
        """Stops all runs; the rows predicted by then are stored."""
        with self._lock:
            for run, future in self._runs.values():
                run.stop()
                future.cancel()
        self._pool.shutdown()

    def _current(self, batch_id: UUID) -> BatchRun | None:
        run, future = self._runs.get(batch_id, (None, None))
        return run if run and future and not future.done() else None
