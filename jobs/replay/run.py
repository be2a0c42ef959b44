"""Another model over the rated predictions: what it fixes and what it breaks.

For the Compare page, which runs it in the background, and for the command. Takes the log and the
model as values; knows neither settings nor pages.
"""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from errors import TryoutError
from feedback import FeedbackLog
from feedback.outcomes import (
    Outcome,
    OutcomeCounts,
    Reference,
    answer_to_json,
    outcome,
    reference,
)
from feedback.rated_set import Rated, count_rated, rated
from model import ModelError, Prediction, Predictor
from model.bulk import predict_each
from model.prediction import output_to_json

logger = logging.getLogger(f"tryout.{__name__}")


@dataclass(frozen=True, slots=True)
class Replayed:
    """A rated prediction and what another model makes of it; `problem` is why it made nothing."""

    reference: Reference
    new: Prediction | None
    outcome: Outcome
    problem: str = ""

    @property
    def answers(self) -> tuple[str, str, str]:
        """What was said, what would be right and what is said now, as text; "" for nothing."""
        old, new, kind = self.reference.prediction, self.new, self.reference.kind
        said = (old.answer, self.reference.truth, new.answer if new else None)
        was, right, now = (answer_to_json(answer, kind) for answer in said)
        return was, right, now


def replay(
    model: Predictor,
    every: Iterable[Rated],
    *,
    left_out: Counter[str],
    goes_on: Callable[[], bool] = lambda: True,
) -> Iterator[Replayed]:
    """What `model` makes of each rated prediction, behind everybody else's texts.

    Counts in `left_out` the predictions whose reviewers are "divided", and those that are
    "repeated": of one text the newest is compared, as a test over it counts independent ones.
    Ends early, and soon, once `goes_on` says no. Raises ModelClosed if the model is closed.
    """

    names = {param.name for param in model.info.params}
    seen: set[int] = set()  # of hashes: texts of a million predictions are too many

    def asked() -> Iterator[tuple[Reference, str, Any]]:
        for prediction, ratings in every:
            params = {name: prediction.params[name] for name in prediction.params.keys() & names}
            same = hash((prediction.input, json.dumps(params, sort_keys=True)))
            known = reference(prediction, ratings)
            if known is None:
                left_out["divided"] += 1
            elif same in seen:
                left_out["repeated"] += 1
            else:
                seen.add(same)
                yield known, prediction.input, params

    for known, said in predict_each(model, asked(), goes_on=goes_on):
        if isinstance(said, ModelError):
            yield Replayed(known, None, outcome(known, None), str(said))
        else:
            yield Replayed(known, said, outcome(known, said))


def line(one: Replayed) -> str:
    """One line of JSON, with all that was compared."""
    old, new = one.reference.prediction, one.new
    was, right, now = one.answers
    values = {
        "outcome": one.outcome,
        "prediction_id": str(old.id),
        "input": old.input,
        "params": dict(old.params),
        "task": old.task,
        "right": one.reference.is_right,
        "truth": None if one.reference.truth is None else right,
        "old": _side(old, was),
        "new": _side(new, now) if new else None,
        "problem": one.problem,
    }
    return json.dumps(values)


def lines(every: Iterable[Replayed]) -> Iterator[str]:
    """A JSONL file of them."""
    return (line(one) + "\n" for one in every)


def _side(prediction: Prediction, said: str) -> dict[str, Any]:
    return {
        "model_id": prediction.model_id,
        "model_revision": prediction.model_revision,
        "label": prediction.label,
        "says": said,
        "output": output_to_json(prediction.output),
    }


class Replay:
    """A replay in a thread of its own, for a page: how far it is, what it found, a stop."""

    def __init__(self, model: Predictor, log: FeedbackLog, *, limit: int) -> None:
        """Starts it, over the newest `limit` rated predictions of the model's task."""
        self.info = model.info
        self.total = self.compared = 0
        self.left_out: Counter[str] = Counter()
        self.score = OutcomeCounts()
        self.results: list[Replayed] = []
        self.problem = ""
        self._model, self._log, self._limit = model, log, limit
        self._stop = threading.Event()
        self._started_s = self._ended_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self._thread.start()

    @property
    def runs(self) -> bool:
        return self._thread.is_alive()

    @property
    def stopped(self) -> bool:
        """Whether it was stopped before it was through."""
        return self._stop.is_set()

    @property
    def done(self) -> int:
        return self.compared + self.left_out.total()

    @property
    def per_s(self) -> float:
        """Predictions a second so far."""
        ended_s = time.monotonic() if self.runs else self._ended_s
        return self.done / max(ended_s - self._started_s, 0.001)

    def stop(self) -> None:
        """Ends it soon; what was compared by then stays."""
        self._stop.set()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            self._compare()
        except TryoutError as error:
            self.problem = str(error)
        except Exception as error:  # whatever it is, who waits must be told
            logger.exception("A replay failed")
            self.problem = f"The replay failed: {error!r}."
        finally:
            self._ended_s = time.monotonic()
            del self._model  # it may be unloaded while the result is still read

    def _compare(self) -> None:
        task = self.info.task
        self.total = count_rated(self._log, task=task, limit=self._limit)
        every = rated(self._log, task=task, limit=self._limit)
        compared = replay(
            self._model, every, left_out=self.left_out, goes_on=lambda: not self.stopped
        )
        for one in compared:
            self.results.append(one)
            self.score.add(one.reference, one.outcome)
            self.compared += 1
