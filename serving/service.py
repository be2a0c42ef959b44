"""Service: the one way in for all formats, from texts to predictions in the log.

Checks the limits, predicts through the predictor's queue, and puts the predictions into the log.
Knows no HTTP and no format. Nothing here blocks the event loop.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from math import inf
from typing import Any, TypeVar
from uuid import UUID

from errors import TryoutError
from feedback import Entry, FeedbackError, FeedbackLog, Rating
from feedback.write_queue import WriteQueue
from jobs.loader import reason_of
from model import InputError, ModelClosed, ModelInfo, Prediction, Predictor
from model.info import last_part
from model.text import check_text
from serving.asking import Asking, Begun, Progress, Result
from serving.errors import Malformed, NotFound, NotReady, TooLarge
from serving.limits import Limits
from serving.requests import RequestCounts
from serving.shadow import Shadow

LOG_THREADS = 2  # that ask the log, which can be away for seconds
MAX_CHARS_AT_ONCE = 100_000  # that are checked on the event loop; more are in a thread
API_SESSION = "api"  # in the place of a visitor's id

Loading = Callable[[], Future[Predictor]]
T = TypeVar("T")


class Service:
    """The predictor and the log of a process, for callers in the network."""

    def __init__(
        self,
        loading: Loading,
        open_log: Callable[[], FeedbackLog],
        *,
        name: str = "",
        logs: bool = True,
        shadow: Shadow | None = None,
        **limits: Any,
    ) -> None:
        """Starts nothing.

        `loading` gives the predictor's future and `open_log` the feedback log; each may raise if
        there can be none. `name` is the model's for clients; without it, it is the last part of
        its id. With `logs` False no prediction is stored. `shadow` gets
        the single texts whose predictions are stored. `limits` are those of `class Limits`.
        """
        self.loading = loading
        self.open_log = open_log
        self.limits = Limits(**limits)
        self.requests = RequestCounts()
        self.is_stopping = False
        self.created_s = int(time.time())
        self._name = name
        self._logs = logs
        self.shadow = shadow
        self._writes = WriteQueue(open_log)
        self._asking = Asking()
        self._log_threads = ThreadPoolExecutor(LOG_THREADS, thread_name_prefix="ask-log")

    @property
    def predictor(self) -> Predictor:
        """The predictor; raises NotReady while there is none, with the reason."""
        try:
            future = self.loading()
            if future.done():
                return future.result()
        except Exception as error:  # whatever it is, the service has no model
            raise NotReady(f"There is no model: {error}") from error
        raise NotReady(reason_of(future))

    @property
    def loaded(self) -> Predictor | None:
        """The predictor, if it is ready."""
        try:
            return self.predictor
        except NotReady:
            return None

    @property
    def unstored(self) -> int:
        """The number of predictions that wait for the log."""
        return len(self._writes)

    @property
    def refused(self) -> int:
        """The number of predictions that the log did not take, and that are lost."""
        return self._writes.refused

    @property
    def info(self) -> ModelInfo:
        """The facts of the model; raises NotReady."""
        return self.predictor.info

    @property
    def name(self) -> str:
        """The model's name for clients; raises NotReady if that takes the model to know."""
        return self._name or self.info.name

    def name_of(self, model_id: str) -> str:
        """The name for clients of the model with this id, which may be that before a change."""
        return self._name or last_part(model_id)

    def require_model(self, name: str, version: str | None = None) -> None:
        """Raises NotFound unless `name` is the model's name or id, and `version` its revision."""
        if name not in (self.name, self.info.id):
            raise NotFound(f"There is no model {name[:200]!r} here. This is {self.name!r}.")
        self.require_version(version)

    def require_version(self, version: str | None) -> None:
        """Raises NotFound unless `version` is the model's revision, or None; NotReady."""
        require_revision(self.predictor, version)

    def require_running(self) -> None:
        """Raises NotReady while the process is about to end."""
        if self.is_stopping:
            raise NotReady("The service is about to end. Try again in a moment.")

    def require_ready(self) -> Predictor:
        """The predictor; raises NotReady also while the process is about to end."""
        self.require_running()
        return self.predictor

    @property
    def is_ready(self) -> bool:
        """True once the model is loaded, until the process is about to end."""
        try:
            self.require_ready()
        except NotReady:
            return False
        return True

    # --- predicting -------------------------------------------------------------------------------

    async def predict(
        self,
        texts: Sequence[str],
        params: Mapping[str, Any],
        *,
        log: bool = True,
        timeout_s: float = inf,
        version: str | None = None,
    ) -> list[Result]:
        """The prediction of each text, or the error of a text that got none, in their order.

        All are of one revision. A single text is interactive, several let others go first; none
        waits for over `timeout_s`. With `log` the predictions are stored soon. Raises the error of
        a single text, InputError for a parameter, Malformed for no texts, TooLarge, Busy and
        Unavailable, and NotFound unless `version` is the revision of the model that predicts.
        """
        self.require_version(version)
        self._require_room(texts, log=log)
        results: dict[int, Result] = dict(await self._refusals(texts))
        taken = [i for i in range(len(texts)) if i not in results]
        asked = [texts[i] for i in taken]
        made = await self._by_one(
            lambda predictor: self._asking.predict(
                predictor, asked, params, timeout_s, is_single=len(texts) == 1
            ),
            version,
        )
        results |= zip(taken, made, strict=True)
        if len(texts) == 1 and isinstance(results[0], TryoutError):
            raise results[0]
        self._log([made for made in results.values() if isinstance(made, Prediction)], log=log)
        if len(texts) == 1 and isinstance(results[0], Prediction):
            self._shadow(results[0], log=log)
        return [results[i] for i in range(len(texts))]

    async def predict_all(
        self,
        texts: Sequence[str],
        params: Mapping[str, Any],
        *,
        log: bool = True,
        timeout_s: float = inf,
        version: str | None = None,
    ) -> list[Prediction]:
        """As `predict`, for formats that cannot say that a single text failed.

        Raises the first error, with the number of its text.
        """
        results = await self.predict(texts, params, log=log, timeout_s=timeout_s, version=version)
        predictions = [result for result in results if isinstance(result, Prediction)]
        for number, result in enumerate(results, start=1):
            if isinstance(result, InputError):
                raise InputError(f"Text {number} of {len(texts)}: {result}") from result
            if isinstance(result, TryoutError):
                raise result
        return predictions

    async def stream(
        self,
        text: str,
        params: Mapping[str, Any],
        *,
        log: bool = True,
        timeout_s: float = inf,
        version: str | None = None,
    ) -> AsyncGenerator[Progress | Prediction]:
        """The places of a text in the queue, its output as it grows, and at last its prediction.

        Before these comes the model that has the text. A text that grows is given as a whole each
        time. The tokens of its prompt, if they are known, come right before the prediction. Raises
        as `predict` does for a single text.
        """
        self._require_room([text], log=log)
        for refusal in (await self._refusals([text])).values():
            raise refusal
        has_begun = False
        while True:
            predictor = self.predictor
            require_revision(predictor, version)
            events = self._asking.stream(predictor, text, params, timeout_s)
            try:
                async with aclosing(events):
                    async for event in events:
                        if not has_begun:
                            has_begun = True
                            yield Begun(predictor.info)
                        if isinstance(event, Prediction):
                            self._log([event], log=log)
                            self._shadow(event, log=log)
                        yield event
                return
            except ModelClosed:
                if has_begun or not self._is_replaced(predictor):
                    raise

    async def fits(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[bool]:
        """True for each text that is within the model's limit of tokens.

        Raises InputError, TooLarge, NotReady, and Malformed for no texts.
        """
        self._require_room(texts, log=False)
        for refusal in (await self._refusals(texts)).values():
            raise refusal
        return await self._by_one(lambda predictor: self._asking.fits(predictor, texts, params))

    async def _by_one(
        self, ask: Callable[[Predictor], Awaitable[T]], version: str | None = None
    ) -> T:
        """The result of `ask` with the predictor.

        A predictor that is about to be replaced takes all of a request or nothing, and answers all
        that it took; then its successor is asked. Raises NotFound for another `version`.
        """
        while True:
            predictor = self.predictor
            require_revision(predictor, version)
            try:
                return await ask(predictor)
            except ModelClosed:
                if not self._is_replaced(predictor):
                    raise

    def _is_replaced(self, predictor: Predictor) -> bool:
        return not self.is_stopping and self.loaded is not predictor

    def require_count(self, texts: int) -> None:
        """Raises Malformed if a request has no texts, TooLarge if it has too many."""
        if not texts:
            raise Malformed("There are no texts. Send one at least.")
        if texts > self.limits.max_texts:
            raise TooLarge(
                f"{texts:,} texts in a request; the limit is {self.limits.max_texts:,}. "
                "Send several requests."
            )

    def _require_room(self, texts: Sequence[str], *, log: bool) -> None:
        self.require_count(len(texts))
        if log and self._logs:
            self._writes.require_room()

    async def _refusals(self, texts: Sequence[str]) -> dict[int, InputError]:
        """The reasons why texts cannot be predicted, whatever the model, by their index."""

        def find() -> dict[int, InputError]:
            refusals: dict[int, InputError] = {}
            for i, text in enumerate(texts):
                try:
                    check_text(text, max_chars=self.limits.max_chars)
                except InputError as error:
                    refusals[i] = error
            return refusals

        if sum(map(len, texts)) > MAX_CHARS_AT_ONCE:
            return await self._asking.in_thread(find)
        return find()

    # --- the log ----------------------------------------------------------------------------------

    def _log(self, predictions: Sequence[Prediction], *, log: bool) -> None:
        if log and self._logs:
            self._writes.put(
                [
                    Entry(prediction=made, source="api", session_id=API_SESSION)
                    for made in predictions
                ]
            )

    def _shadow(self, answered: Prediction, *, log: bool) -> None:
        """Has the shadow predict the text too, if there is one and the text may be stored."""
        if not (self.shadow and log and self._logs and answered.output.is_whole):
            return
        if live := self.loaded:
            self.shadow.offer(live, answered, self._writes.put)

    async def find(self, prediction_id: UUID) -> tuple[Entry, bool]:
        """A prediction's entry, and True if it is in the log; False while it waits to be stored.

        Raises NotFound, and LogUnavailable.
        """
        if waiting := self._writes.find(prediction_id):
            return waiting, False
        entry = await self.ask_log(lambda log: log.find(prediction_id))
        if entry is None:
            raise NotFound(f"There is no prediction {prediction_id} in the log.")
        return entry, True

    async def rate(self, rating: Rating) -> tuple[Rating, bool]:
        """Stores a rating, and before it its prediction if that still waits.

        Returns the rating as it is in the log, and True if it is new; False if the reviewer's
        rating was the same already. Raises NotFound if there is no such prediction, and
        LogUnavailable.
        """
        waiting = self._writes.find(rating.prediction_id)

        def store(log: FeedbackLog) -> tuple[Rating, bool]:
            if waiting:
                log.record(waiting)
            try:
                if log.rate(rating):
                    return rating, True
            except FeedbackError as error:
                if log.find(rating.prediction_id):
                    raise
                raise NotFound(str(error)) from error
            stored = log.ratings_of(rating.prediction_id)
            return next(each for each in stored if each.reviewer == rating.reviewer), False

        return await self.ask_log(store)

    async def ask_log(self, question: Callable[[FeedbackLog], T]) -> T:
        """The answer of the log, which is asked in a thread; raises LogUnavailable."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._log_threads, lambda: question(self.open_log()))

    def close(self) -> None:
        """Stores what waits; blocks for some seconds if the log is away."""
        self.is_stopping = True
        if self.shadow:
            self.shadow.close()
        self._writes.close()
        self._asking.close()
        self._log_threads.shutdown(wait=False, cancel_futures=True)


def require_revision(predictor: Predictor, version: str | None) -> None:
    """Raises NotFound unless `version` is None or the revision of `predictor`."""
    if version not in (None, revision := predictor.info.revision):
        raise NotFound(f"There is no version {version!r:.80}. This is {revision!r}.")


def wants_log(headers: Mapping[str, str]) -> bool:
    """False if the client asks that its texts are not stored."""
    return headers.get("x-tryout-log", "").strip().lower() != "no"
