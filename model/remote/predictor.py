"""class RemoteModel: a predictor whose model is behind a URL.

Any thread may call it. A thread of its own runs an event loop with all requests (sending.py).
"""

import asyncio
import logging
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal, TypeVar, assert_never

import httpx2

from model.batching import Counters, Place
from model.errors import (
    InputError,
    ModelBusy,
    ModelClosed,
    ModelError,
    ModelLoadError,
    ModelUnreachable,
)
from model.generation import Generation
from model.info import ModelInfo
from model.params import checked, with_defaults
from model.prediction import Prediction
from model.predictor import Inspection, Predictor
from model.remote.api import Api, Facts
from model.remote.connection import Connection
from model.remote.huggingface import HuggingFaceApi
from model.remote.openai import OpenAIApi
from model.remote.sending import Item, RemoteGeneration, Sender
from model.remote.tryout import HEADERS, TryoutApi

logger = logging.getLogger(f"tryout.{__name__}")

UNDER_WAY = 512  # texts of one call of `predict`, twice as many at most
LOAD_TIMEOUT_S = 30.0
TRY_TIMEOUT_S = 300.0  # of other APIs, whose server may load its model only when it is asked
CLOSE_TIMEOUT_S = 5.0
REFRESH_S = 10.0  # between two times that facts are read because of refused requests
ApiName = Literal["tryout", "huggingface", "openai"]
T = TypeVar("T")


class RemoteModel:
    """The model of the service at a URL, as a predictor."""

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        params: Mapping[str, Any] | None = None,
        api: ApiName = "tryout",
        task: str = "auto",
        name: str = "",
    ) -> None:
        """Connects to nothing yet.

        `token` goes to `url` only. `params` are the owner's defaults of the parameters. `task` and
        `name` are for APIs that do not tell their model's.
        """
        self.url = url
        self._api_name = api
        self._task = task
        self._name = name
        self._token = token
        self._params = dict(params or {})
        self._facts: Facts | None = None
        self._closed = self._refreshes = False
        self._refreshed_s = -REFRESH_S
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- life -------------------------------------------------------------------------------------

    def load(self) -> None:
        """Asks the service for the facts of its model; raises ModelLoadError with a sentence."""
        self._connection = self._connect()
        self._api = self._api_over(self._connection)
        loop = self._loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="remote-model", daemon=True).start()
        try:
            self._facts = self._with_defaults(self._wait(self._api.facts(), self._load_timeout_s))
        except ModelError as error:
            self._stop()
            raise self._unusable(error) from error
        self._sender = Sender(
            self._api, loop, self._require_loaded, self._answered_by, self._explained
        )

    def warm_up(self) -> None:
        """Does nothing: the service is ready only when its model is warm."""
        self._require_loaded()

    @property
    def choice(self) -> object:
        """The arguments that this model was made with."""
        given = (self.url, self._token, self._params)
        return (*given, self._api_name, self._task, self._name)

    def inspect(self) -> Inspection:
        """The revision that the service has now; raises ModelLoadError. Takes no memory here."""

        async def ask() -> Facts:
            connection = self._connect()
            try:
                async with asyncio.timeout(self._load_timeout_s):
                    return await self._api_over(connection).facts()
            except TimeoutError as error:
                raise ModelError(f"{self.url} did not answer in time.") from error
            finally:
                await connection.close()

        try:
            return Inspection(asyncio.run(ask()).info.revision)
        except ModelLoadError:
            raise
        except ModelError as error:
            raise self._unusable(error) from error

    def succeed(self, former: Predictor) -> None:
        """Does nothing: there is nothing of another predictor to keep."""

    def retire(self) -> None:
        """Takes no more texts, waits for the answers to those that were sent, then closes."""
        self._closed = True
        if self._facts:
            self._sender.finish()
        self.close()

    def close(self) -> None:
        """Ends all requests; waiting and later texts get ModelClosed."""
        self._closed = True
        self._stop()
        if self._facts:
            self._sender.close()

    def _connect(self) -> Connection:
        headers = HEADERS if self._api_name == "tryout" else {}
        try:
            return Connection(self.url, token=self._token, headers=headers)
        except (httpx2.InvalidURL, ValueError) as error:
            raise ModelLoadError(f"{self.url!r} is not a URL ({error}). Set model.url.") from error

    def _api_over(self, connection: Connection) -> Api:
        match self._api_name:
            case "tryout":
                return TryoutApi(connection)
            case "huggingface":
                return HuggingFaceApi(connection, task=self._task, name=self._name)
            case "openai":
                return OpenAIApi(connection, name=self._name)
            case _:
                assert_never(self._api_name)

    @property
    def _load_timeout_s(self) -> float:
        return LOAD_TIMEOUT_S if self._api_name == "tryout" else TRY_TIMEOUT_S

    def _unusable(self, error: ModelError) -> ModelLoadError:
        return ModelLoadError(f"The model at {self.url!r} cannot be used. {error}")

    def _stop(self) -> None:
        """Cancels what runs, closes the connections and ends the thread."""
        loop, self._loop = self._loop, None
        if loop is None or not loop.is_running():
            return

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._connection.close()

        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(end(), loop).result(CLOSE_TIMEOUT_S)
        loop.call_soon_threadsafe(loop.stop)

    def _with_defaults(self, facts: Facts) -> Facts:
        """The facts with the owner's defaults; raises InputError for a default that cannot be."""
        values = checked(facts.info.params, {}, defaults=self._params)
        params = with_defaults(facts.info.params, values)
        return facts._replace(info=replace(facts.info, params=params))

    # --- facts ------------------------------------------------------------------------------------

    @property
    def info(self) -> ModelInfo:
        """The facts of the service's model; raises ModelClosed before `load`."""
        return self._require_loaded().info

    @property
    def generates(self) -> bool:
        """True if the output is a text that grows."""
        return self._require_loaded().generates

    @property
    def counters(self) -> Counters:
        """The counts of the texts that this process asked for."""
        self._require_loaded()
        return self._sender.counters

    @property
    def queue_depth(self) -> int:
        """The number of texts that have no answer yet."""
        self._require_loaded()
        return len(self._sender.pending)

    def place(self, future: Future[Prediction]) -> Place | None:
        """The place in the service's queue, as it was last told; None without one."""
        self._require_loaded()
        return self._sender.places.get(future)

    def reads_all(self, text: str, params: Mapping[str, Any] | None = None) -> bool:
        """True if the text is within the model's limit; asks the service."""
        values = self._checked(params)
        return self._wait(self._api.fits(text, values))

    # --- predicting -------------------------------------------------------------------------------

    def predict(
        self, texts: Sequence[str], params: Mapping[str, Any] | None = None
    ) -> list[Prediction]:
        """A prediction for each text, in the order of `texts`; several texts let others go first.

        Raises as `Model.predict` does, and ModelUnreachable if the service does not answer.
        """
        if isinstance(texts, str):
            raise InputError("predict takes a list of texts; put a single text into a list.")
        if len(texts) == 1:
            return [self.submit(texts[0], params).result()]
        futures: list[Future[Prediction]] = []
        try:
            for start in range(0, len(texts), UNDER_WAY):
                futures += self.submit_many(texts[start : start + UNDER_WAY], params)
                for future in futures[-2 * UNDER_WAY : -UNDER_WAY]:
                    future.result()
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def submit(
        self,
        text: str,
        params: Mapping[str, Any] | None = None,
        *,
        bulk: bool = False,
        timeout_s: float = float("inf"),
    ) -> Future[Prediction]:
        """A future of the prediction of one text; cancelled before its answer, it is withdrawn.

        Raises InputError for a parameter; what the service refuses is in the future.
        """
        item = Item(text, self._checked(params), timeout_s)
        self._send([item], bulk=bulk)
        return item.future

    def submit_many(
        self,
        texts: Sequence[str],
        params: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = float("inf"),
    ) -> list[Future[Prediction]]:
        """A future for each text, in the order of `texts`; all of them let others go first."""
        values = self._checked(params)
        items = [Item(text, values, timeout_s) for text in texts]
        self._send(items, bulk=True)
        return [item.future for item in items]

    def stream(
        self, text: str, params: Mapping[str, Any] | None = None, *, bulk: bool = False
    ) -> Generation:
        """A text that is being generated; raises InputError where `generates` is False."""
        if not self.generates:
            raise InputError(f"The task {self.info.task} gives its output at once: use submit.")
        generation = RemoteGeneration(readers_stay=bulk)
        item = Item(text, self._checked(params), generation=generation)
        item.future = generation.future
        # A bulk text is not read while it grows, so it can travel with others.
        self._send([item], bulk=bulk)
        return generation

    def _send(self, items: Sequence[Item], *, bulk: bool) -> None:
        """Hands texts to the event loop; raises ModelUnreachable while the circuit is open."""
        self._connection.circuit.require_closed()
        self._sender.add(items, bulk=bulk)

    def _answered_by(self, revision: str) -> None:
        """Notes another revision of the service's model at once, and reads its facts anew."""
        facts = self._require_loaded()
        if revision == facts.info.revision:
            return
        # Whoever reads the answer must not find the facts of the revision before it.
        self._facts = facts._replace(info=replace(facts.info, revision=revision))
        if not self._refreshes:
            self._refreshes = True
            self._run(self._refresh())

    async def _explained(self, error: ModelError) -> ModelError:
        """The error of a request; another if it was the first after a change of the model.

        The service refuses parameters that only its former model had, and a refusal tells no
        revision: the facts are read anew. Those of `huggingface` are by the task, which is a
        setting, and to read them takes a prediction.
        """
        now_s, before = time.monotonic(), self.info
        if self._api_name == "huggingface" or self._refreshes:
            return error
        is_answer = not isinstance(error, ModelBusy | ModelClosed | ModelUnreachable)
        if not is_answer or now_s - self._refreshed_s < REFRESH_S:
            return error
        self._refreshes, self._refreshed_s = True, now_s
        await self._refresh()
        if (self.info.revision, self.info.params) == (before.revision, before.params):
            return error
        sentence = f"The model at {self.url} is another now. Try again."
        return InputError(sentence) if isinstance(error, InputError) else ModelError(sentence)

    # --- helpers ----------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        """Reads the facts anew, as the service may have another model."""
        try:
            self._facts = self._with_defaults(await self._api.facts())
            logger.info("The facts of %s are read anew: revision %s", self.url, self.info.revision)
        except ModelError as error:
            logger.warning("The facts of %s cannot be read anew: %s", self.url, error)
        finally:
            self._refreshes = False

    def _checked(self, params: Mapping[str, Any] | None) -> dict[str, Any]:
        info = self.info
        if self._closed:
            raise ModelClosed("The model was closed.")
        return checked(info.params, params or {}, defaults={})

    def _require_loaded(self) -> Facts:
        if self._facts is None:
            raise ModelClosed(f"The model at {self.url!r} is not loaded yet. Call load() first.")
        return self._facts

    def _run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._loop is None:
            raise ModelClosed("The model was closed.")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """The result of a coroutine, for a caller in another thread; raises ModelError."""
        future = self._run(work)
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            future.cancel()
            raise ModelError(f"{self.url} did not answer within {timeout_s:g} s.") from error
        except CancelledError as error:
            raise ModelClosed("The model was closed.") from error
