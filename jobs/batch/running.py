"""A job in one process: reading, predicting and storing go on at the same time.

Knows neither the command line nor the settings; the source, the model and the log are given.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from feedback import FeedbackLog
from feedback.jobs import Job, Lock, Stored, find, note, require_same
from feedback.records import ModelRevision
from files.errors import ReadingError
from files.sources import Source, SourceRow
from jobs.batch.checks import ReadCounts, checked_groups
from jobs.batch.groups import read_ahead
from jobs.batch.plan import Plan
from jobs.batch.predicting import outcomes
from jobs.batch.preparing import opened, wanted
from jobs.batch.storing import LONGEST_AWAY_S, Grouping, Storer, running
from jobs.batch.waiting import once_available
from model import Predictor
from model.params import checked

GROUPS_AHEAD = 4  # of rows that are read before they are predicted
SAMPLE_ROWS = 256
T = TypeVar("T")


def made_by(model: Predictor) -> ModelRevision:
    """The name of a loaded model in the log."""
    return ModelRevision(model.info.id, model.info.revision)


@dataclass(slots=True)
class RunCounts:
    """The progress of a run: rows read, rows to predict, outcomes so far, and those stored."""

    read: ReadCounts = field(default_factory=ReadCounts)
    stored: Stored = field(default_factory=Stored)
    there: int = 0  # of the rows read, those that are not to be predicted
    wanted: int = 0  # the others, with those that have a problem
    done: int = 0
    stopped: bool = False
    log_away: str = ""  # the reason why the log is waited for
    model_away: str = ""

    @property
    def away(self) -> str:
        """The reason why the run waits; "" if it does not."""
        return self.log_away or self.model_away


class Run:
    """A run of a job: its progress, and a way to stop it."""

    def __init__(
        self, source: Source, log: FeedbackLog, model: Predictor, plan: Plan, *, name: str
    ) -> None:
        """`model` is loaded."""
        self.counts = RunCounts()
        self._source, self._log, self._model, self._plan = source, log, model, plan
        self._name = name
        self._stop = threading.Event()
        self._broken: ReadingError | None = None

    def stop(self) -> None:
        """Ends the run soon; what is predicted by then is stored."""
        self._stop.set()

    def run(self, *, max_chars: int) -> RunCounts:
        """Predicts and stores the rows that the plan asks for; returns the counts in the end.

        Raises ReadingError as the source does, once the rows before are stored, JobError if the job
        of that name is another, JobRunning if another process runs it, ModelError and FeedbackError
        as model and log do.
        """
        job = opened(self._log, self._source, self._plan, name=self._name)
        params = checked(self._model.info.params, self._plan.params, defaults={})
        counts = self.counts
        with running(self._log, job) as lock:
            self._predict_and_store(job, lock, self._groups(job, params, max_chars), params)
            if self._broken:
                raise self._broken
            counts.stopped = self._stop.is_set()
            changes: dict[str, Any] = {"state": "interrupted" if counts.stopped else "done"}
            if not counts.stopped:
                changes["rows"] = counts.read.rows
            self._once_available(lambda: note(self._log, job, **changes))
        return counts

    def _groups(
        self, job: Job, params: Mapping[str, Any], max_chars: int
    ) -> Iterator[list[SourceRow]]:
        """The rows to predict, and those with a problem; ends where the source breaks."""
        try:
            yield from self._wanted_groups(job, params, max_chars)
        except ReadingError as error:  # raised once the rows before are stored
            self._broken = error

    def _wanted_groups(
        self, job: Job, params: Mapping[str, Any], max_chars: int
    ) -> Iterator[list[SourceRow]]:
        counts, model = self.counts, made_by(self._model)
        for group in checked_groups(
            self._source, self._plan, max_chars=max_chars, counts=counts.read
        ):
            if self._stop.is_set():
                return
            rows = self._once_available(
                lambda: wanted(group, self._log, job, self._plan, model, params=params)  # noqa: B023 - called in this turn
            )
            counts.there += len(group) - len(rows)
            counts.wanted += len(rows)
            yield rows

    def _predict_and_store(
        self, job: Job, lock: Lock, groups: Iterator[list[SourceRow]], params: Mapping[str, Any]
    ) -> None:
        def goes_on() -> bool:
            return not self._stop.is_set()

        storer = Storer(
            self._log,
            job,
            lock,
            renewed_before=self._plan.renewed_before,
            stop=self._stop,
            on_away=self._note_away,
        )
        with storer:
            grouping = Grouping(storer)
            for row in outcomes(
                self._model,
                read_ahead(groups, GROUPS_AHEAD, goes_on=goes_on),
                params,
                goes_on=goes_on,
                on_away=self._note_model_away,
            ):
                self.counts.done += 1
                self.counts.stored = storer.counts
                grouping.add(row)
            grouping.flush()
        self.counts.stored = storer.counts

    def _once_available(self, ask: Callable[[], T]) -> T:
        return once_available(
            ask, stop=self._stop, on_away=self._note_away, longest_s=LONGEST_AWAY_S
        )

    def _note_away(self, reason: str) -> None:
        self.counts.log_away = reason

    def _note_model_away(self, is_away: bool) -> None:
        self.counts.model_away = "The model's service is away." if is_away else ""


def run(
    source: Source,
    log: FeedbackLog,
    model: Predictor,
    plan: Plan,
    *,
    name: str,
    max_chars: int,
) -> RunCounts:
    """Predicts and stores the rows of a source; see `Run.run`."""
    return Run(source, log, model, plan, name=name).run(max_chars=max_chars)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The rows that a run would read and those that it would predict, with its likely speed."""

    read: ReadCounts
    wanted: int
    texts_per_s: float

    @property
    def seconds(self) -> float:
        """The time that predicting would take."""
        return self.wanted / self.texts_per_s if self.texts_per_s else 0.0


def estimate(
    source: Source,
    log: FeedbackLog,
    model: Predictor,
    plan: Plan,
    *,
    name: str,
    max_chars: int,
) -> Estimate:
    """Reads all rows of a source and predicts a sample of them; stores nothing.

    Raises as `Run.run` does, but for JobRunning.
    """
    params = checked(model.info.params, plan.params, defaults={})
    job, counts, total = find(log, name), ReadCounts(), 0
    if job:
        require_same(
            job,
            source_kind=source.kind_name,
            text_column=source.text_column,
            key_column=source.key_column,
        )
    sample: list[SourceRow] = []
    for group in checked_groups(source, plan, max_chars=max_chars, counts=counts):
        rows = [row for row in group if not row.problem]
        if job:
            rows = wanted(rows, log, job, plan, made_by(model), params=params)
        elif plan.stale and not plan.only_new:
            rows = []
        for row in rows:  # Vitter's algorithm R, https://doi.org/10.1145/3147.3165
            total += 1
            if len(sample) < SAMPLE_ROWS:
                sample.append(row)
            elif (place := random.randrange(total)) < SAMPLE_ROWS:  # noqa: S311 - a sample
                sample[place] = row
    return Estimate(read=counts, wanted=total, texts_per_s=_texts_per_s(model, sample, plan))


def _texts_per_s(model: Predictor, sample: list[SourceRow], plan: Plan) -> float:
    started_s = time.perf_counter()
    deque(outcomes(model, [sample], checked(model.info.params, plan.params, defaults={})), maxlen=0)
    return len(sample) / max(time.perf_counter() - started_s, 1e-6)
