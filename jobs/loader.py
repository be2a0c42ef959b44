"""Loads models in threads: the live model once for all visitors, and again after a failure.

Knows no page: a page asks for the model's future.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from errors import TryoutError
from model import ModelError, Predictor

logger = logging.getLogger(f"tryout.{__name__}")

RETRY_S = 10.0
LoadResult = Predictor | ModelError


class ModelLoader:
    """Gives the model as a future; after a failure, another after 10 s or on `retry`."""

    def __init__(self, make: Callable[[], Predictor]) -> None:
        """`make` returns a model that is not loaded; its exceptions count as failures, too."""
        self._make = make
        self._lock = threading.Lock()
        self._newest: Future[Predictor] | None = None
        # The newest attempt, or a failed one before it while that runs and nobody asked for it.
        self._given: Future[Predictor] | None = None
        self._failed_s = 0.0

    def current(self) -> Future[Predictor]:
        """The model that is loaded or being loaded; starts an attempt if one is due.

        While an attempt runs that nobody asked for with `retry`, this is the failed one before it,
        so that a probe goes on saying why there is no model.
        """
        with self._lock:
            if self._newest is None:
                self._newest = self._start()
            if self._given is None or self._newest.done():
                self._given = self._newest
            if self._failed() and time.monotonic() - self._failed_s > RETRY_S:
                self._newest = self._start()
            return self._given

    def retry(self) -> None:
        """Starts another attempt if the last one failed; `current` gives it while it runs, too."""
        with self._lock:
            if self._failed():
                self._newest = self._start()
            self._given = self._newest

    def close(self) -> None:
        """Closes the model if it is loaded."""
        with self._lock:
            if self._newest and self._newest.done() and not self._newest.exception():
                self._newest.result().close()

    def _failed(self) -> bool:
        newest = self._newest
        return newest is not None and newest.done() and newest.exception() is not None

    def _start(self) -> Future[Predictor]:
        return load_in_thread(self._make, thread_name="load-model", on_end=self._note)

    def _note(self, result: LoadResult) -> None:
        if isinstance(result, ModelError):
            self._failed_s = time.monotonic()
            return
        # torch and transformers leave half a million objects that never die: take them out of the
        # collector's sight, as Streamlit runs it after each script run by default.
        gc.freeze()
        logger.info("%s is ready, revision %s", result.info.id, result.info.revision)


def load_in_thread(
    make: Callable[[], Predictor], *, thread_name: str, on_end: Callable[[LoadResult], None]
) -> Future[Predictor]:
    """The model that `make` returns, loaded and warm, as a future; its error is a ModelError.

    `on_end` is called in the thread with the model or the error, before the future has it.
    """
    future: Future[Predictor] = Future()
    # Mark it running, so that one visitor's cancel() cannot stop the load for all.
    future.set_running_or_notify_cancel()

    def load() -> None:
        result = _load(make)
        gc.collect()  # a failed model may be large, and must be gone before the next attempt
        on_end(result)
        if isinstance(result, ModelError):
            future.set_exception(result)
        else:
            future.set_result(result)

    threading.Thread(target=load, name=thread_name, daemon=True).start()
    return future


def _load(make: Callable[[], Predictor]) -> LoadResult:
    """The model, or an error that holds no reference to it: the next attempt needs its memory."""
    model = None
    try:
        model = make()
        model.load()
        model.warm_up()
    except Exception as error:  # whatever it is, the future must not stay open
        is_explained = isinstance(error, TryoutError) and error.__cause__ is None
        logger.error("%s", error, exc_info=None if is_explained else error.__cause__ or error)
        if model:
            with suppress(Exception):  # the first error is the one to tell
                model.close()
        if isinstance(error, TryoutError):
            return ModelError(str(error))
        return ModelError(f"The model failed: {error!r}.")
    return model
