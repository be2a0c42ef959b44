"""The second model of a process: loaded beside the live one, unloaded again, and its replay.

All visitors share it: each sees it and may replace it. Knows no page.
"""

import gc
import logging
import threading
from concurrent.futures import Future

from feedback import FeedbackLog
from jobs.loader import LoadResult, load_in_thread, loaded_by
from jobs.replay.run import Replay
from model import Model, ModelError, Predictor
from model.exported import is_export

logger = logging.getLogger(f"tryout.{__name__}")


def challenger_for(live: Predictor, model_id: str, revision: str) -> Predictor:
    """A model for the task of `live`, not loaded yet; "" is no revision.

    It shares the worker of a live model in this process, and computes in the dtype of `live`, so
    that no difference is one of rounding. Both read the same: the owner's function that changes
    texts comes before both. Pickles and code that comes with the model are never allowed: any
    visitor may name a model.
    """
    info, from_export = live.info, is_export(model_id)
    return Model(
        model_id,
        revision=revision or None,
        task=info.task,
        runtime="onnx" if from_export else "torch",
        device="auto" if from_export or not isinstance(live, Model) else info.device,
        preprocess=live.choice.preprocess if isinstance(live, Model) else "",
        dtype=info.dtype if info.runtime == "torch" and not from_export else None,
        shares_worker_with=live if isinstance(live, Model) else None,
    )


class Challenger:
    """Loads the second model, keeps it, and closes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loading: Future[Predictor] | None = None
        self.chosen_by = ""
        self.replay: Replay | None = None

    @property
    def loading(self) -> Future[Predictor] | None:
        """The model as a future, whose error says why loading failed; None if there is none."""
        return self._loading

    @property
    def model(self) -> Predictor | None:
        """The model, once it is loaded."""
        return loaded_by(self._loading)

    @property
    def is_replaying(self) -> bool:
        """True while a replay runs: it must end before another model is loaded."""
        return self.replay is not None and self.replay.is_running

    def load(self, live: Predictor, model_id: str, revision: str, *, by: str) -> bool:
        """Starts to load another model in place of the present one; True if it did.

        Does nothing while a model is being loaded or a replay runs.
        """
        with self._lock:
            if self.is_replaying or (self._loading and not self._loading.done()):
                return False
            former, self.replay, self.chosen_by = self.model, None, by

            def make() -> Predictor:
                _close(former)  # first, as the next model may need its memory
                return challenger_for(live, model_id, revision)

            self._loading = load_in_thread(
                make, thread_name="load-challenger", on_end=_log_if_loaded
            )
            return True

    def unload(self) -> None:
        """Closes the model and frees its memory, unless a replay runs; the last replay stays."""
        with self._lock:
            if self.is_replaying or (self._loading and not self._loading.done()):
                return
            former, self._loading = self.model, None
        _close(former)

    def close(self) -> None:
        """Stops a replay and closes the model, as the process ends."""
        if self.replay:
            self.replay.stop()
        if model := self.model:
            model.close()

    def start_replay(self, log: FeedbackLog, *, limit: int) -> None:
        """Starts a replay over the newest `limit` rated predictions, unless one runs."""
        with self._lock:
            model = self.model
            if model and not self.is_replaying:
                self.replay = Replay(model, log, limit=limit)


def _log_if_loaded(result: LoadResult) -> None:
    if not isinstance(result, ModelError):
        logger.info("%s is loaded to compare with", result.info.id)


def _close(model: Predictor | None) -> None:
    if model:
        model.close()
        gc.collect()
