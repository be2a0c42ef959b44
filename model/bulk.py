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
LONGEST_AWAY_S = 3600.0  # after which it is not waited for any more
Key = TypeVar("Key")
Asked = tuple[Key, str, Mapping[str, Any]]  # a key of the caller's, a text, its parameters


class _Submitted(NamedTuple, Generic[Key]):
    """A submitted text as it was asked for, its future, and the way to stop it."""

    asked: Asked[Key]
    future: Future[Prediction]
    stop: Callable[[], object]


class _Absence:
    """The time for which the model has been away."""

    def __init__(self, on_away: Callable[[bool], object]) -> None:
        self._on_away = on_away
        self._since_s: float | None = None

    def note(self, error: ModelUnreachable) -> None:
        """Notes that the model is away; raises the error if it has been for too long."""
        now_s = time.monotonic()
        if self._since_s is None:
            self._since_s = now_s
            self._on_away(True)
        elif now_s - self._since_s > LONGEST_AWAY_S:
            raise error

    def end(self) -> None:
        """Notes that the model has answered."""
        if self._since_s is not None:
            self._since_s = None
            self._on_away(False)


class _Waiting(Generic[Key]):
    """The texts in the queue, in the order in which they were asked for."""

    def __init__(
        self, model: Predictor, goes_on: Callable[[], bool], on_away: Callable[[bool], object]
    ) -> None:
        self._model = model
        self._goes_on = goes_on
        self._absence = _Absence(on_away)
        self._texts: deque[_Submitted[Key]] = deque()

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, asked: Asked[Key]) -> bool:
        """Puts a text last, once the queue has room; False if `goes_on` returned False before."""
        submitted = self._submit(asked)
        if submitted is None:
            return False
        self._texts.append(submitted)
        return True

    def stop(self) -> None:
        """Withdraws all; a text that is computed already still gets its prediction."""
        for submitted in self._texts:
            submitted.stop()

    def first(self) -> Iterator[tuple[Key, Prediction | ModelError]]:
        """The outcome of the first text; nothing if it was stopped, or is submitted again."""
        first = self._texts[0]
        while not is_done(first.future, POLL_S):
            if not self._goes_on():
                self.stop()  # at once if its turn has not come
        try:
            prediction = first.future.result()
        except CancelledError:
            self._texts.popleft()
            return
        except ModelClosed:
            raise
        except (ModelBusy, ModelUnreachable) as error:
            if isinstance(error, ModelUnreachable):
                self._absence.note(error)
            self._submit_lost_again()
            return
        except ModelError as error:
            self._texts.popleft()
            self._absence.end()
            yield first.asked[0], error
            return
        self._texts.popleft()
        self._absence.end()
        if prediction.output.is_whole:
            yield first.asked[0], prediction

    def _submit(self, asked: Asked[Key]) -> _Submitted[Key] | None:
        """A text in the queue, once that has room; None if `goes_on` returns False before.

        The future of a text that cannot be predicted has failed already.
        """
        _, text, params = asked
        while self._goes_on():
            try:
                if self._model.generates:
                    generation = self._model.stream(text, params, bulk=True)
                    return _Submitted(asked, generation.future, generation.stop)
                future = self._model.submit(text, params, bulk=True)
                return _Submitted(asked, future, future.cancel)
            except ModelBusy:
                time.sleep(POLL_S)
            except ModelUnreachable as error:
                self._absence.note(error)
                time.sleep(AWAY_S)
            except ModelClosed:
                raise
            except ModelError as error:
                failed: Future[Prediction] = Future()
                failed.set_exception(error)
                return _Submitted(asked, failed, failed.cancel)
        return None

    def _submit_lost_again(self) -> None:
        """Submits again the texts that were not computed, or whose answers were lost.

        If `goes_on` returns False before, they are left out.
        """
        for _ in range(len(self._texts)):
            submitted: _Submitted[Key] | None = self._texts[0]
            if submitted and _is_lost(submitted):
                submitted = self._submit(submitted.asked)
            self._texts.popleft()
            if submitted:
                self._texts.append(submitted)


def predict_each(
    model: Predictor,
    asked: Iterable[Asked[Key]],
    *,
    goes_on: Callable[[], bool] = lambda: True,
    on_away: Callable[[bool], object] = lambda is_away: None,
) -> Iterator[tuple[Key, Prediction | ModelError]]:
    """The key and the prediction of each text, or its error, in the order of `asked`.

    Waits while the queue is full, and for an hour at most while a model behind a URL is away:
    `on_away` is called with True then, and with False once it has answered. Ends within moments
    once `goes_on` returns False: finished predictions are still given out, a text that is half
    generated is not. Raises ModelClosed if the model is closed, ModelUnreachable after that hour.
    """
    waiting = _Waiting[Key](model, goes_on, on_away)
    try:
        for text in asked:
            if not waiting.add(text):
                break
            while len(waiting) >= UNDER_WAY:
                yield from waiting.first()
        while len(waiting):
            yield from waiting.first()
    finally:
        waiting.stop()


def _is_lost(submitted: _Submitted[Any]) -> bool:
    """True if a text was not computed, or its answer was lost on the way."""
    future = submitted.future
    if not future.done() or future.cancelled():
        return False
    return isinstance(future.exception(), ModelBusy | ModelUnreachable)
