"""A job in one process: reading, predicting and storing go on at the same time.

Knows neither the command line nor the settings; the source, the model and the log are given.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from feedback import FeedbackLog
from feedback.jobs import find, note
from files.sources import Source, SourceRow
from jobs.batch.checks import ReadCounts, checked_groups
from jobs.batch.groups import read_ahead
from jobs.batch.plan import Plan
from jobs.batch.predicting import outcomes
from jobs.batch.preparing import opened, wanted
from jobs.batch.storing import LONGEST_AWAY_S, Grouping, StoredCounts, Storer, running
from jobs.batch.waiting import once_available
from model import Predictor
from model.params import checked

GROUPS_AHEAD = 4  # of rows that are read before they are predicted
SAMPLE_ROWS = 256
T = TypeVar("T")


@dataclass(slots=True)
class RunCounts:
    """The progress of a run: rows read, rows to predict, outcomes so far, and those stored."""

    read: ReadCounts = field(default_factory=ReadCounts)
    stored: StoredCounts = field(default_factory=StoredCounts)
    wanted: int = 0  # of the rows read, with those that have a problem
    done: int = 0
    stopped: bool = False
    away: str = ""  # the reason why the log or the model is waited for


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

    def stop(self) -> None:
        """Ends the run soon; what is predicted by then is stored."""
        self._stop.set()

    def run(self, *, max_chars: int) -> RunCounts:
        """Predicts and stores the rows that the plan asks for; returns the counts in the end.

        Raises ReadingError as the source does, JobError if the job of that name is another,
        JobRunning if another process runs it, ModelError and FeedbackError as model and log do.
        """
        job = opened(self._log, self._source, self._plan, name=self._name)
        params = checked(self._model.info.params, self._plan.params, defaults={})
        counts = self.counts

        def groups() -> Iterator[list[SourceRow]]:
            read = checked_groups(
                self._source, self._plan, max_chars=max_chars, counts=counts.read
            )
            for group in read:
                if self._stop.is_set():
                    return
                rows = self._once_available(
                    lambda: wanted(
                        group,  # noqa: B023 - called in this turn
                        self._log,
                        job,
                        self._plan,
                        self._model.info.revision,
                        params=params,
                    )
                )
                counts.wanted += len(rows)
                yield rows

        with running(self._log, job):
            storer = Storer(
                self._log,
                job,
                renewed_before=self._plan.renewed_before,
                stop=self._stop,
                on_away=self._note_away,
            )
            counts.stored = storer.counts
            with storer:
                grouping = Grouping(storer)
                for row in outcomes(
                    self._model,
                    read_ahead(groups(), GROUPS_AHEAD),
                    self._plan.params,
                    goes_on=lambda: not self._stop.is_set(),
                    on_away=self._note_model_away,
                ):
                    counts.done += 1
                    grouping.add(row)
                grouping.flush()
            counts.stopped = self._stop.is_set()
            state = "interrupted" if counts.stopped else "done"
            self._once_available(
                lambda: note(
                    self._log,
                    job,
                    state=state,
                    rows=counts.read.rows,
                    rejects=counts.stored.rejects,
                )
            )
        return counts

    def _once_available(self, ask: Callable[[], T]) -> T:
        return once_available(
            ask, stop=self._stop, on_away=self._note_away, longest_s=LONGEST_AWAY_S
        )

    def _note_away(self, reason: str) -> None:
        self.counts.away = reason

    def _note_model_away(self, is_away: bool) -> None:
        self.counts.away = "The model's service is away." if is_away else ""


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
    """What a run would do: the rows read, those that it would predict, the time in seconds."""

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

    Raises as `Run.run` does.
    """
    params = checked(model.info.params, plan.params, defaults={})
    job, counts, total = find(log, name), ReadCounts(), 0
    sample: list[SourceRow] = []
    for group in checked_groups(source, plan, max_chars=max_chars, counts=counts):
        rows = [row for row in group if not row.problem]
        if job:
            rows = wanted(rows, log, job, plan, model.info.revision, params=params)
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
    for _ in outcomes(model, [sample], plan.params):
        pass
    return len(sample) / max(time.perf_counter() - started_s, 1e-6)
