"""Loads models in threads: the live model once for all visitors, again after a failure, and anew.

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
from model.machine import give_back_memory
from model.memory import gigabytes

logger = logging.getLogger(f"tryout.{__name__}")

RETRY_S = 10.0
LOADING = "The model is loading. It is ready in a moment."
LoadResult = Predictor | ModelError


class LoadFuture(Future[Predictor]):
    """A model that is being loaded; `reason` is a sentence about why it is not there yet."""

    def __init__(self, reason: str = LOADING) -> None:
        super().__init__()
        self.reason = reason
        # Mark it running, so that one visitor's cancel() cannot stop the load for all.
        self.set_running_or_notify_cancel()

    def end(self, result: LoadResult) -> None:
        """Gives the model or the error to those who wait."""
        if isinstance(result, ModelError):
            self.set_exception(result)
        else:
            self.set_result(result)


def reason_of(future: Future[Predictor]) -> str:
    """A sentence about why a model is not there yet."""
    return future.reason if isinstance(future, LoadFuture) else LOADING


def loaded_by(future: Future[Predictor] | None) -> Predictor | None:
    """The model of a load that has ended well; None if there is none, or not yet."""
    has_model = future is not None and future.done() and future.exception() is None
    return future.result() if future and has_model else None


class ModelLoader:
    """Gives the model as a future; after a failure, another after 10 s or on `retry`.

    `reload` loads it anew, and replaces the model that is there.
    """

    def __init__(self, make: Callable[[], Predictor]) -> None:
        """`make` returns a model that is not loaded; its exceptions count as failures, too."""
        self._make = make
        self._lock = threading.Lock()
        self._newest: LoadFuture | None = None
        # The newest attempt, or a failed one before it while that runs and nobody asked for it.
        self._given: LoadFuture | None = None
        self._failed_s = 0.0
        self._reloads = 0  # that were asked for and have not ended: one runs, one comes after it
        self._retiring: Predictor | None = None
        self._closed = False

    def current(self) -> LoadFuture:
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

    def reload(self) -> None:
        """Makes and loads the model anew, in a thread; the present one answers until then.

        It stays if the new one is the same, or cannot be loaded. A call while a load runs is done
        after it, once for all such calls.
        """
        with self._lock:
            self._reloads = min(self._reloads + 1, 2)
            if self._reloads == 1:
                threading.Thread(target=self._reload, name="reload-model", daemon=True).start()

    @property
    def is_reloading(self) -> bool:
        """True while a call of `reload` is not done yet."""
        return self._reloads > 0

    def close(self) -> None:
        """Closes the model if it is loaded, and the one before it if it still answers."""
        with self._lock:
            self._closed = True
            if self._retiring:
                self._retiring.close()
            if model := loaded_by(self._newest):
                model.close()

    def _failed(self) -> bool:
        newest = self._newest
        return newest is not None and newest.done() and newest.exception() is not None

    def _start(self) -> LoadFuture:
        return load_in_thread(self._make, thread_name="load-model", on_end=self._note)

    def _note(self, result: LoadResult) -> None:
        if isinstance(result, ModelError):
            self._failed_s = time.monotonic()
            return
        # torch and transformers leave half a million objects that never die: take them out of the
        # collector's sight, as Streamlit runs it after each script run by default.
        gc.freeze()
        logger.info("%s is ready, revision %s", result.info.id, result.info.revision)

    # --- another model in the place of the present one --------------------------------------------

    def _reload(self) -> None:
        while True:
            if not self._closed:
                if self.current().exception():
                    self.retry()
                present = self.current()
                if not present.exception():
                    self._replace(present.result())
            with self._lock:  # in one step: a call in between would start a second thread
                self._reloads -= 1
                if not self._reloads:
                    return

    def _replace(self, present: Predictor) -> None:
        """Loads the model that `make` returns now in the place of `present`, unless it is that."""
        logger.info("Looking for a new revision of the model")
        try:
            coming = self._make()
            found = coming.inspect()
            if coming.choice == present.choice and found.revision == present.info.revision:
                logger.info("%s is the newest, nothing is loaded", _named(present))
            elif found.fits:
                self._replace_beside(present, coming)
            elif found.needed_bytes <= found.free_bytes + present.info.memory_bytes:
                self._replace_after(present, coming, found.needed_bytes)
            else:
                raise ModelError(
                    f"The new model needs about {gigabytes(found.needed_bytes)} of memory and "
                    f"{gigabytes(found.free_bytes + present.info.memory_bytes)} would be free "
                    "without the present one. Name a smaller model, or take a machine with more "
                    "memory."
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, the present model stays
            _log_failure(error)
            logger.error("%s stays", _named(present))

    def _replace_beside(self, present: Predictor, coming: Predictor) -> None:
        """Loads `coming` while `present` answers, and closes that once it has answered all."""
        coming.succeed(present)
        result = _load(lambda: coming)
        if isinstance(result, ModelError):
            logger.error("%s stays", _named(present))
            return
        future = LoadFuture()
        self._note(result)
        future.end(result)
        if self._give(future, present):
            self._retire(present)
        else:
            result.close()

    def _replace_after(self, present: Predictor, coming: Predictor, needed_bytes: int) -> None:
        """Closes `present` once it has answered all, then loads `coming`: there is no model then.

        If that fails there is none until another attempt, as at a start.
        """
        future = LoadFuture(
            f"There is no room in memory for a second model of {gigabytes(needed_bytes)}. The new "
            "one is loaded once the old one is closed. Try again in a moment."
        )
        logger.warning("%s", future.reason)
        coming.succeed(present)
        if not self._give(future, present):
            coming.close()
            return
        self._retire(present)
        result = _load(lambda: coming)
        self._note(result)
        future.end(result)

    def _give(self, future: LoadFuture, present: Predictor) -> bool:
        """Puts `future` into the place of `present`; False if the loader was closed meanwhile."""
        with self._lock:
            if self._closed:
                return False
            self._newest = self._given = future
            self._retiring = present
            return True

    def _retire(self, former: Predictor) -> None:
        """Closes a model once it has answered all texts, and frees its memory."""
        try:
            former.retire()
            logger.info("%s has answered its last text and is closed", _named(former))
            gc.unfreeze()  # its objects among them
            give_back_memory()
            gc.freeze()
        except Exception:
            logger.exception("%s could not be closed", _named(former))
        with self._lock:
            self._retiring = None


def _named(model: Predictor) -> str:
    return f"{model.info.id}, revision {model.info.revision},"


def load_in_thread(
    make: Callable[[], Predictor], *, thread_name: str, on_end: Callable[[LoadResult], None]
) -> LoadFuture:
    """The model that `make` returns, loaded and warm, as a future; its error is a ModelError.

    `on_end` is called in the thread with the model or the error, before the future has it.
    """
    future = LoadFuture()

    def load() -> None:
        result = _load(make)
        gc.collect()  # a failed model may be large, and must be gone before the next attempt
        on_end(result)
        future.end(result)

    threading.Thread(target=load, name=thread_name, daemon=True).start()
    return future


def _load(make: Callable[[], Predictor]) -> LoadResult:
    """The model, or an error that holds no reference to it: the next attempt needs its memory."""
    model = None
    try:
        model = make()
        model.load()
        model.warm_up()
    except Exception as error:  # noqa: BLE001 - whatever it is, the future must not stay open
        _log_failure(error)
        if model:
            with suppress(Exception):  # the first error is the one to tell
                model.close()
        if isinstance(error, TryoutError):
            return ModelError(str(error))
        return ModelError(f"The model failed: {error!r}.")
    return model


def _log_failure(error: Exception) -> None:
    """Logs an error, with the traceback of its cause unless its sentence says all."""
    cause: BaseException = error
    while isinstance(cause, TryoutError) and cause.__cause__:
        cause = cause.__cause__
    logger.error("%s", error, exc_info=None if isinstance(cause, TryoutError) else cause)
