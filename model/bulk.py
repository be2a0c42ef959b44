"""Many texts through the shared model, behind everybody else's.

Knows neither where the texts come from nor where the predictions go.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, Generic, NamedTuple, TypeVar

from model.errors import ModelBusy, ModelClosed, ModelError
from model.futures import is_done
from model.prediction import Prediction
from model.predictor import Predictor

UNDER_WAY = 256  # as far as the queue looks ahead for texts of one length
POLL_S = 0.1
Key = TypeVar("Key")
Asked = tuple[Key, str, Mapping[str, Any]]


class _Waiting(NamedTuple, Generic[Key]):
    """What waits for its turn, and a way to end it."""

    key: Key
    future: Future[Prediction]
    stop: Callable[[], object]


def predict_each(
    model: Predictor, asked: Iterable[Asked[Key]], *, goes_on: Callable[[], bool] = lambda: True
) -> Iterator[tuple[Key, Prediction | ModelError]]:
    """The prediction of each text with its parameters, or why there is none, in their order.

    Ends early, and soon, once `goes_on` says no; what is predicted by then is given out, and a text
    that is half generated is not. A queue that is full is waited for. Raises ModelClosed if the
    model is closed.
    """
    waiting: deque[_Waiting[Key]] = deque()
    try:
        for key, text, params in asked:
            submitted = _submit(model, text, params, goes_on)
            if submitted is None:
                break
            waiting.append(_Waiting(key, *submitted))
            while len(waiting) >= UNDER_WAY:
                yield from _first(waiting, goes_on)
        while waiting:
            yield from _first(waiting, goes_on)
    finally:
        for one in waiting:
            one.stop()


def _submit(
    model: Predictor, text: str, params: Mapping[str, Any], goes_on: Callable[[], bool]
) -> tuple[Future[Prediction], Callable[[], object]] | None:
    """The future of a text and its stop, failed if the text is not possible; None if not wanted."""
    while goes_on():
        try:
            if model.generates:
                generation = model.stream(text, params, bulk=True)
                return generation.future, generation.stop
            future = model.submit(text, params, bulk=True)
            return future, future.cancel
        except ModelBusy:
            time.sleep(POLL_S)
        except ModelClosed:
            raise
        except ModelError as error:
            failed: Future[Prediction] = Future()
            failed.set_exception(error)
            return failed, failed.cancel
    return None


def _first(
    waiting: deque[_Waiting[Key]], goes_on: Callable[[], bool]
) -> Iterator[tuple[Key, Prediction | ModelError]]:
    """What became of the first that waits; nothing if that was dropped, or is half a text."""
    first = waiting.popleft()
    while not is_done(first.future, POLL_S):
        if not goes_on():
            for one in (first, *waiting):
                one.stop()  # at once if it has not begun
    try:
        made = first.future.result()
    except CancelledError:
        return
    except ModelClosed:
        raise
    except ModelError as error:
        yield first.key, error
    else:
        if made.output.is_whole:
            yield first.key, made
