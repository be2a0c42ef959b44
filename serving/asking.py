"""Asking: predictions by a predictor for callers on an event loop.

No thread waits for a prediction, and a caller that is cancelled cancels its texts. Knows neither
the log nor limits.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, NamedTuple, TypeVar

from errors import TryoutError
from model import Generation, InputError, ModelError, Prediction, Predictor
from model.batching import Place
from serving.errors import NotReady

THREADS = 4  # that tokenize
POLL_S = 0.05  # between looks at a text that grows
LOOKS_A_PLACE = 10  # after so many the place in the queue is told

Result = Prediction | TryoutError
T = TypeVar("T")


class Grown(NamedTuple):
    """A generated text so far, and the number of its tokens."""

    text: str
    tokens: int


class Prompt(NamedTuple):
    """The number of tokens that the model read before it generated."""

    tokens: int


Progress = Place | Grown | Prompt
Events = AsyncGenerator[Progress | Prediction]


class Asking:
    """The threads in which texts are tokenized and submitted."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="tokenize")
        self._is_closed = False

    async def predict(
        self,
        predictor: Predictor,
        texts: Sequence[str],
        params: Mapping[str, Any],
        timeout_s: float,
    ) -> list[Result]:
        """The prediction or the error of each text; raises the error of a single text at once."""
        if predictor.generates and len(texts) == 1:
            # Read while it grows, although nobody sees it: only so it is interactive.
            return [await _last(self._growing(predictor, texts[0], params))]
        if predictor.generates:
            return await self._generate(predictor, texts, params)

        def submit() -> list[Future[Prediction]]:
            if len(texts) == 1:
                return [predictor.submit(texts[0], params, timeout_s=timeout_s)]
            return predictor.submit_many(texts, params, timeout_s=timeout_s)

        return await _results(await self._submitted(submit, undo=Future.cancel))

    def stream(
        self, predictor: Predictor, text: str, params: Mapping[str, Any], timeout_s: float
    ) -> Events:
        """The places of a text in the queue, its output as it grows, and at last its prediction."""
        if predictor.generates:
            return self._growing(predictor, text, params)
        return self._waiting(predictor, text, params, timeout_s)

    async def fits(
        self, predictor: Predictor, texts: Sequence[str], params: Mapping[str, Any]
    ) -> list[bool]:
        """True for each text that is within the model's limit of tokens."""
        return await self._in_thread(lambda: [predictor.reads_all(text, params) for text in texts])

    def close(self) -> None:
        """Takes no more texts."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _generate(
        self, predictor: Predictor, texts: Sequence[str], params: Mapping[str, Any]
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
            growing = [each for each in begun if isinstance(each, Generation)]
            ended = iter(await _results([generation.future for generation in growing]))
            return [each if isinstance(each, InputError) else next(ended) for each in begun]
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

    async def _growing(self, predictor: Predictor, text: str, params: Mapping[str, Any]) -> Events:
        (generation,) = await self._submitted(
            lambda: [predictor.stream(text, params)], undo=Generation.stop
        )
        answer, so_far, looks = asyncio.wrap_future(generation.future), 0, 0
        try:
            while not (await asyncio.wait((answer,), timeout=POLL_S))[0]:
                generation.wait(0)  # it goes on only while somebody asks
                looks += 1
                if generation.begun:
                    if generation.tokens > so_far:
                        so_far = generation.tokens
                        yield Grown(await self._in_thread(lambda: generation.text), so_far)
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
        task = self._in_thread(submit)

        def undo_all(done: asyncio.Future[list[T]]) -> None:
            if not done.cancelled() and not done.exception():
                for submitted in done.result():
                    undo(submitted)

        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(undo_all)
            raise

    def _in_thread(self, call: Callable[[], T]) -> asyncio.Future[T]:
        if self._is_closed:
            raise NotReady("The service ends now. Try again in a moment.")
        return asyncio.get_running_loop().run_in_executor(self._threads, call)


def _begun(predictor: Predictor, text: str, params: Mapping[str, Any]) -> Generation | InputError:
    """A text that is being generated, or the reason why its prompt cannot be taken."""
    try:
        return predictor.stream(text, params, bulk=True)
    except InputError as error:
        return error


def _stop(begun: Generation | InputError) -> None:
    if isinstance(begun, Generation):
        begun.stop()


async def _last(events: Events) -> Prediction:
    """The prediction that is the last event."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Prediction):
                return event
    raise ModelError("A text ended without its prediction.")


async def _results(futures: Sequence[Future[Prediction]]) -> list[Result]:
    """The prediction or the error of each future; cancels them if the caller is cancelled."""
    done = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
    results: list[Result] = []
    for result in done:
        if isinstance(result, Prediction | TryoutError):
            results.append(result)
        else:
            raise result
    return results
