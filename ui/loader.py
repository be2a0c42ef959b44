"""Loads the one model in a thread, and again when that failed. Knows no Streamlit.

However many visitors wait, there is one attempt at a time, and all of them get its result.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from model import Model, ModelError
from serving.loading import loaded

logger = logging.getLogger("tryout")

RETRY_S = 10.0


class ModelLoader:
    """Gives the model as a future; after a failure, a new one from 10 s on or when asked to."""

    def __init__(self, make: Callable[[], Model]) -> None:
        """`make` returns a model that is not loaded; what it raises is a failure too."""
        self._make = make
        self._lock = threading.Lock()
        self._future: Future[Model] | None = None
        self._failed_s = 0.0

    def current(self) -> Future[Model]:
        """The model that is loaded or being loaded; starts an attempt if there is reason to."""
        with self._lock:
            if self._future is None or (
                self._failed() and time.monotonic() - self._failed_s > RETRY_S
            ):
                self._start()
            assert self._future is not None  # noqa: S101 - for the type checker
            return self._future

    def retry(self) -> None:
        """Starts another attempt if the last one failed."""
        with self._lock:
            if self._failed():
                self._start()

    def _failed(self) -> bool:
        future = self._future
        return future is not None and future.done() and future.exception() is not None

    def _start(self) -> None:
        future: Future[Model] = Future()
        future.set_running_or_notify_cancel()  # a visitor who leaves cancels it for nobody
        self._future = future
        threading.Thread(target=self._load, args=(future,), name="load-model", daemon=True).start()

    def _load(self, future: Future[Model]) -> None:
        outcome = loaded(self._make)
        # Collected: what failed may be large, and must be gone before the next attempt. Frozen:
        # torch and transformers leave half a million objects that never die, and are not to be
        # walked again; Streamlit runs the collector after each script run unless told not to.
        gc.collect()
        if isinstance(outcome, ModelError):
            self._failed_s = time.monotonic()
            future.set_exception(outcome)
            return
        gc.freeze()
        logger.info("%s is ready, revision %s", outcome.info.id, outcome.info.revision)
        future.set_result(outcome)

    def close(self) -> None:
        """Closes the model if it is there."""
        with self._lock:
            if self._future and self._future.done() and not self._future.exception():
                self._future.result().close()
