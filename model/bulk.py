"""Predictions of many texts with a shared predictor, which lets the texts of visitors go first.

Knows neither the source of the texts nor the destination of the predictions.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, Generic, NamedTuple, TypeVar

from model.errors import ModelBusy, ModelClosed, ModelError, ModelUnreachable
from model.futures import is_done
from model.prediction import Prediction
from model.predictor import Predictor

UNDER_WAY = 256  # texts in the queue, as many as it looks ahead for texts of like length
POLL_S = 0.1
AWAY_S = 1.0  # between attempts to reach a model that is away
Key = TypeVar("Key")
Asked = tuple[Key, str, Mapping[str, Any]]  # a key of the caller's, a text, its parameters


class _Submitted(NamedTuple, Generic[Key]):
    """A submitted text as it was asked for, its future, and the way to stop it."""

    asked: Asked[Key]
    future: Future[Prediction]
    stop: Callable[[], object]


def predict_each(
    model: Predictor, asked: Iterable[Asked[Key]], *, goes_on: Callable[[], bool] = lambda: True
) -> Iterator[tuple[Key, Prediction | ModelError]]:
    """The key and the prediction of each text, or its error, in the order of `asked`.

    Waits while the queue is full, and while a model behind a URL is away. Ends within moments once
    `goes_on` returns False: finished predictions are still given out, a text that is half generated
    is not. Raises ModelClosed if the model is closed.
    """
    waiting: deque[_Submitted[Key]] = deque()
    try:
        for text in asked:
            submitted = _submit(model, text, goes_on)
            if submitted is None:
                break
            waiting.append(submitted)
            while len(waiting) >= UNDER_WAY:
                yield from _first(model, waiting, goes_on)
        while waiting:
            yield from _first(model, waiting, goes_on)
    finally:
        for submitted in waiting:
            submitted.stop()


def _submit(
    model: Predictor, asked: Asked[Key], goes_on: Callable[[], bool]
) -> _Submitted[Key] | None:
    """A text in the queue, once that has room; None if `goes_on` returns False before.

    The future of a text that cannot be predicted has failed already.
    """
    _, text, params = asked
    while goes_on():
        try:
            if model.generates:
                generation = model.stream(text, params, bulk=True)
                return _Submitted(asked, generation.future, generation.stop)
            future = model.submit(text, params, bulk=True)
            return _Submitted(asked, future, future.cancel)
        except ModelBusy:
            time.sleep(POLL_S)
        except ModelUnreachable:
            time.sleep(AWAY_S)
        except ModelClosed:
            raise
        except ModelError as error:
            failed: Future[Prediction] = Future()
            failed.set_exception(error)
            return _Submitted(asked, failed, failed.cancel)
    return None


def _first(
    model: Predictor, waiting: deque[_Submitted[Key]], goes_on: Callable[[], bool]
) -> Iterator[tuple[Key, Prediction | ModelError]]:
    """The outcome of the first text that waits; nothing if it was stopped."""
    first = waiting.popleft()
    while not is_done(first.future, POLL_S):
        if not goes_on():
            for submitted in (first, *waiting):
                submitted.stop()  # at once if its turn has not come
    try:
        prediction = first.future.result()
    except CancelledError:
        return
    except ModelClosed:
        raise
    except (ModelBusy, ModelUnreachable):
        again = [
            _submit(model, submitted.asked, goes_on) if _is_lost(submitted) else submitted
            for submitted in (first, *waiting)
        ]
        waiting.clear()
        waiting.extend(submitted for submitted in again if submitted)
    except ModelError as error:
        yield first.asked[0], error
    else:
        if prediction.output.is_whole:
            yield first.asked[0], prediction


def _is_lost(submitted: _Submitted[Key]) -> bool:
    """True if a text was not computed, or its answer was lost on the way."""
    future = submitted.future
    if not future.done() or future.cancelled():
        return False
    return isinstance(future.exception(), ModelBusy | ModelUnreachable)
