"""Many texts through the shared model, behind everybody else's.

Knows neither where the texts come from nor where the predictions go.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from model.errors import ModelBusy, ModelClosed, ModelError
from model.generation import is_done
from model.model import Model
from model.prediction import Prediction

UNDER_WAY = 256  # as far as the queue looks ahead for texts of one length
POLL_S = 0.1
Key = TypeVar("Key")
Asked = tuple[Key, str, Mapping[str, Any]]


def predict_each(
    model: Model, asked: Iterable[Asked[Key]], *, goes_on: Callable[[], bool] = lambda: True
) -> Iterator[tuple[Key, Prediction | ModelError]]:
    """The prediction of each text with its parameters, or why there is none, in their order.

    Ends early, and soon, once `goes_on` says no; what is predicted by then is given out. A queue
    that is full is waited for. Raises ModelClosed if the model is closed.
    """
    waiting: deque[tuple[Key, Future[Prediction]]] = deque()
    try:
        for key, text, params in asked:
            future = _submit(model, text, params, goes_on)
            if future is None:
                break
            waiting.append((key, future))
            while len(waiting) >= UNDER_WAY:
                yield from _first(waiting, goes_on)
        while waiting:
            yield from _first(waiting, goes_on)
    finally:
        for _, future in waiting:
            future.cancel()


def _submit(
    model: Model, text: str, params: Mapping[str, Any], goes_on: Callable[[], bool]
) -> Future[Prediction] | None:
    """The future of a text, failed if the text is not possible; None if it is not wanted."""
    while goes_on():
        try:
            return model.submit(text, params, bulk=True)
        except ModelBusy:
            time.sleep(POLL_S)
        except ModelClosed:
            raise
        except ModelError as error:
            failed: Future[Prediction] = Future()
            failed.set_exception(error)
            return failed
    return None


def _first(
    waiting: deque[tuple[Key, Future[Prediction]]], goes_on: Callable[[], bool]
) -> Iterator[tuple[Key, Prediction | ModelError]]:
    """What became of the first that waits; nothing if that was dropped."""
    key, future = waiting.popleft()
    while not is_done(future, POLL_S):
        if not goes_on():
            for one in (future, *(later for _, later in waiting)):
                one.cancel()  # all that have not begun
    try:
        yield key, future.result()
    except CancelledError:
        return
    except ModelClosed:
        raise
    except ModelError as error:
        yield key, error
