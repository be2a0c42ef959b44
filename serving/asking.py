"""Asking: predictions by a predictor for callers on an event loop.

No thread waits for a prediction, and a caller that is cancelled cancels its texts. Knows neither
the log nor limits.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from typing import Any, NamedTuple, TypeVar

from errors import TryoutError
from model import Generation, InputError, ModelInfo, Prediction, Predictor
from model.batching import Place
from model.errors import ModelTimedOut
from model.generation import Grown, whole
from serving.errors import NotReady

THREADS = 4  # that tokenize
FIT_THREADS = 1  # that only count tokens, for which no prediction should wait
POLL_S = 0.05  # between looks at a text that grows
LOOKS_A_PLACE = 10  # after so many the place in the queue is told

Result = Prediction | TryoutError
Answer = asyncio.Future[Prediction]
T = TypeVar("T")


class Prompt(NamedTuple):
    """The number of tokens that the model read before it generated."""

    tokens: int


class Begun(NamedTuple):
    """The model that has taken a text."""

    info: ModelInfo


Progress = Begun | Place | Grown | Prompt
Events = AsyncGenerator[Progress | Prediction]


class Asking:
    """The threads in which texts are tokenized and submitted."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="tokenize")
        self._fit_threads = ThreadPoolExecutor(FIT_THREADS, thread_name_prefix="fits")
        self._is_closed = False

    async def predict(
        self,
        predictor: Predictor,
        texts: Sequence[str],
        params: Mapping[str, Any],
        timeout_s: float,
        *,
        is_single: bool,
    ) -> list[Result]:
        """The prediction or the error of each text, of which any number lets others go first.

        A text that `is_single` is interactive, and its error is raised at once.
        """
        if predictor.generates and is_single and texts:
            # Read while it grows, although nobody sees it: only so it is interactive.
            growing = self._growing(predictor, texts[0], params, timeout_s)
            return [await whole(growing, missing="A text ended without its prediction.")]
        if predictor.generates:
            return await self._generate(predictor, texts, params, timeout_s)

        def submit() -> list[Future[Prediction]]:
            if is_single and texts:
                return [predictor.submit(texts[0], params, timeout_s=timeout_s)]
            return predictor.submit_many(texts, params, timeout_s=timeout_s)

        futures = await self._submitted(submit, undo=Future.cancel)
        return await _results([*map(asyncio.wrap_future, futures)])

    def stream(
        self, predictor: Predictor, text: str, params: Mapping[str, Any], timeout_s: float
    ) -> Events:
        """The places of a text in the queue, its output as it grows, and at last its prediction."""
        if predictor.generates:
            return self._growing(predictor, text, params, timeout_s)
        return self._waiting(predictor, text, params, timeout_s)

    async def fits(
        self, predictor: Predictor, texts: Sequence[str], params: Mapping[str, Any]
    ) -> list[bool]:
        """True for each text that is within the model's limit of tokens."""
        is_left = threading.Event()

        def look() -> list[bool]:
            return [predictor.reads_all(text, params) for text in texts if not is_left.is_set()]

        try:
            return await self._run(self._fit_threads, look)
        finally:
            is_left.set()  # whoever was cancelled waits for no more texts

    def close(self) -> None:
        """Takes no more texts."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._fit_threads.shutdown(wait=False, cancel_futures=True)

    async def _generate(
        self,
        predictor: Predictor,
        texts: Sequence[str],
        params: Mapping[str, Any],
        timeout_s: float,
    ) -> list[Result]:
        def start() -> list[Generation | InputError]:
            begun: list[Generation | InputError] = []
            try:
                begun.extend(_begun(predictor, text, params) for text in texts)
            except BaseException:
                for each in begun:
                    _stop(each)
                raise
            return begun

        begun = await self._submitted(start, undo=_stop)
        try:
            answers = {
                each: asyncio.wrap_future(each.future)
                for each in begun
                if isinstance(each, Generation)
            }
            late = await _late(predictor, answers, timeout_s)
            in_time = [answer for each, answer in answers.items() if each not in late]
            ended = iter(await _results(in_time))
            return [
                each if isinstance(each, InputError) else late.get(each) or next(ended)
                for each in begun
            ]
        finally:
            for each in begun:
                _stop(each)

    async def _waiting(
        self, predictor: Predictor, text: str, params: Mapping[str, Any], timeout_s: float
    ) -> Events:
        (future,) = await self._submitted(
            lambda: [predictor.submit(text, params, timeout_s=timeout_s)], undo=Future.cancel
        )
        answer = asyncio.wrap_future(future)
        try:
            while not (await asyncio.wait((answer,), timeout=LOOKS_A_PLACE * POLL_S))[0]:
                if place := predictor.place(future):
                    yield place
            yield answer.result()
        finally:
            answer.cancel()

    async def _growing(
        self, predictor: Predictor, text: str, params: Mapping[str, Any], timeout_s: float
    ) -> Events:
        (generation,) = await self._submitted(
            lambda: [predictor.stream(text, params)], undo=Generation.stop
        )
        answer, so_far, looks = asyncio.wrap_future(generation.future), 0, 0
        deadline_s = time.monotonic() + timeout_s
        try:
            while not (await asyncio.wait((answer,), timeout=POLL_S))[0]:
                generation.wait(0)  # it goes on only while somebody asks
                looks += 1
                if generation.begun:
                    if generation.tokens > so_far:
                        so_far = generation.tokens
                        yield Grown(await self.in_thread(lambda: generation.text), so_far)
                elif time.monotonic() > deadline_s and (
                    error := _expired(predictor, generation, timeout_s)
                ):
                    raise error
                elif looks % LOOKS_A_PLACE == 0 and (place := predictor.place(generation.future)):
                    yield place
            prediction = answer.result()
            if generation.prompt_tokens is not None:
                yield Prompt(generation.prompt_tokens)
            yield prediction
        finally:
            generation.stop()
            answer.cancel()

    async def _submitted(
        self, submit: Callable[[], list[T]], *, undo: Callable[[T], object]
    ) -> list[T]:
        """The result of `submit` in a thread; if the caller is cancelled meanwhile, undoes it."""
        task = self.in_thread(submit)

        def undo_all(done: asyncio.Future[list[T]]) -> None:
            if not done.cancelled() and not done.exception():
                for submitted in done.result():
                    undo(submitted)

        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(undo_all)
            raise

    def in_thread(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """The result of `call` in a thread that tokenizes; raises NotReady after `close`."""
        return self._run(self._threads, call)

    def _run(self, threads: ThreadPoolExecutor, call: Callable[[], T]) -> asyncio.Future[T]:
        if self._is_closed:
            raise NotReady("The service ends now. Try again in a moment.")
        return asyncio.get_running_loop().run_in_executor(threads, call)


def _begun(predictor: Predictor, text: str, params: Mapping[str, Any]) -> Generation | InputError:
    """A text that is being generated, or the reason why its prompt cannot be taken."""
    try:
        return predictor.stream(text, params, bulk=True)
    except InputError as error:
        return error


def _stop(begun: Generation | InputError) -> None:
    if isinstance(begun, Generation):
        begun.stop()


def _expired(
    predictor: Predictor, generation: Generation, timeout_s: float
) -> ModelTimedOut | None:
    """The error of a text whose turn did not come in time, and now never comes."""
    place = predictor.place(generation.future)
    if not generation.future.cancel():
        return None  # its turn has come
    generation.stop()
    return ModelTimedOut(place.wait_s if place else 0.0, waited_s=timeout_s)


async def _late(
    predictor: Predictor, answers: Mapping[Generation, Answer], timeout_s: float
) -> dict[Generation, TryoutError]:
    """The errors of the texts that have not begun within `timeout_s`; waits for it, or for all."""
    if not answers or timeout_s == inf:
        return {}
    await asyncio.wait(answers.values(), timeout=timeout_s)
    errors = ((each, _expired(predictor, each, timeout_s)) for each in answers)
    return {generation: error for generation, error in errors if error}


async def _results(answers: Sequence[Answer]) -> list[Result]:
    """The prediction or the error of each answer; cancels them if the caller is cancelled."""
    done = await asyncio.gather(*answers, return_exceptions=True)
    results: list[Result] = []
    for result in done:
        if isinstance(result, Prediction | TryoutError):
            results.append(result)
        else:
            raise result
    return results
