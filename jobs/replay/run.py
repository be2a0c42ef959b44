"""Another model over the rated predictions: which of them it fixes and which it breaks.

The Compare page runs it in the background, the command in its process. Takes the log and the model
as values; knows neither settings nor pages.
"""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

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

OTHER_TEXT = (
    "The spans cannot be compared: they are of the text as each model read it, and the two texts "
    "differ."
)

logger = logging.getLogger(f"tryout.{__name__}")


class AnswerTexts(NamedTuple):
    """Three answers to one input as text: the rated one, the right one, the new one.

    "" stands for an answer that is not there.
    """

    old: str
    truth: str
    new: str


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """A rated prediction and another model's prediction of its input.

    `new` is None if that model could not predict it; `problem` is the reason.
    """

    reference: Reference
    new: Prediction | None
    outcome: Outcome
    problem: str = ""

    @property
    def answers(self) -> AnswerTexts:
        """The answers that were compared, as text."""
        old, kind = self.reference.prediction, self.reference.kind
        return AnswerTexts(
            old=answer_to_json(old.answer, kind),
            truth=answer_to_json(self.reference.truth, kind),
            new=answer_to_json(self.new.answer if self.new else None, kind),
        )


def replay(
    model: Predictor,
    predictions: Iterable[Rated],
    *,
    left_out: Counter[str],
    goes_on: Callable[[], bool] = lambda: True,
) -> Iterator[ReplayResult]:
    """The results of `model` on rated predictions, predicted as bulk: texts of visitors go first.

    Counts in `left_out` the predictions whose reviewers are "divided", and those that are
    "repeated": the newest prediction of a text is compared, as the sign test counts texts once.
    Ends early, and soon, once `goes_on` says no. Raises ModelClosed if the model is closed.
    """

    names = {param.name for param in model.info.params}
    seen: set[int] = set()  # of hashes: texts of a million predictions are too many

    def inputs() -> Iterator[tuple[Reference, str, Any]]:
        for prediction, ratings in predictions:
            params = {name: prediction.params[name] for name in prediction.params.keys() & names}
            input_hash = hash((prediction.input, json.dumps(params, sort_keys=True)))
            baseline = reference(prediction, ratings)
            if baseline is None:
                left_out["divided"] += 1
            elif input_hash in seen:
                left_out["repeated"] += 1
            else:
                seen.add(input_hash)
                yield baseline, prediction.input, params

    for baseline, new in predict_each(model, inputs(), goes_on=goes_on):
        if isinstance(new, ModelError):
            yield ReplayResult(baseline, None, outcome(baseline, None), str(new))
        elif _differ_in_text(baseline.prediction, new):
            yield ReplayResult(baseline, None, outcome(baseline, None), OTHER_TEXT)
        else:
            yield ReplayResult(baseline, new, outcome(baseline, new))


def _differ_in_text(old: Prediction, new: Prediction) -> bool:
    """True for spans of two texts, since the models read the input otherwise."""
    return new.answer_kind == "spans" and new.spanned != old.spanned


def as_json(result: ReplayResult) -> str:
    """A result as JSON in one line, with all that was compared."""
    old, new, answers = result.reference.prediction, result.new, result.answers
    values = {
        "outcome": result.outcome,
        "prediction_id": str(old.id),
        "input": old.input,
        "params": dict(old.params),
        "task": old.task,
        "right": result.reference.is_right,
        "truth": None if result.reference.truth is None else answers.truth,
        "old": _side(old, answers.old),
        "new": _side(new, answers.new) if new else None,
        "problem": result.problem,
    }
    return json.dumps(values)


def jsonl(results: Iterable[ReplayResult]) -> str:
    """The results as a JSON Lines file."""
    return "".join(as_json(result) + "\n" for result in results)


def _side(prediction: Prediction, answer: str) -> dict[str, Any]:
    return {
        "model_id": prediction.model_id,
        "model_revision": prediction.model_revision,
        "label": prediction.label,
        "says": answer,
        "output": output_to_json(prediction.output),
    }


class Replay:
    """A replay in a thread of its own, for a page: its progress, its results, and a stop."""

    def __init__(self, model: Predictor, log: FeedbackLog, *, limit: int) -> None:
        """Starts it, over the newest `limit` rated predictions of the model's task."""
        self.info = model.info
        self.total = self.compared = 0
        self.left_out: Counter[str] = Counter()
        self.score = OutcomeCounts()
        self.results: list[ReplayResult] = []
        self.problem = ""
        self._model, self._log, self._limit = model, log, limit
        self._stop = threading.Event()
        self._started_s = self._ended_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    @property
    def stopped(self) -> bool:
        """True once `stop` was called."""
        return self._stop.is_set()

    @property
    def done(self) -> int:
        """The number of predictions that were compared or left out."""
        return self.compared + self.left_out.total()

    @property
    def per_s(self) -> float:
        """Predictions a second since the start."""
        ended_s = time.monotonic() if self.is_running else self._ended_s
        return self.done / max(ended_s - self._started_s, 0.001)

    def stop(self) -> None:
        """Ends it soon; the results up to then stay."""
        self._stop.set()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            self._compare()
        except TryoutError as error:
            self.problem = str(error)
        except Exception as error:  # the page must say why there is no result
            logger.exception("A replay failed")
            self.problem = f"The replay failed: {error!r}."
        finally:
            self._ended_s = time.monotonic()
            del self._model  # it may be unloaded while the result is still read

    def _compare(self) -> None:
        task = self.info.task
        self.total = count_rated(self._log, task=task, limit=self._limit)
        predictions = rated(self._log, task=task, limit=self._limit)
        results = replay(
            self._model, predictions, left_out=self.left_out, goes_on=lambda: not self.stopped
        )
        for result in results:
            self.results.append(result)
            self.score.add(result.reference, result.outcome)
            self.compared += 1
