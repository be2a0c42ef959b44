"""The second model of a process: loaded beside the live one, unloaded again, and its replay.

One at a time, shared by all visitors: whoever comes sees the one that is there and may replace it.
Knows no page.
"""

import gc
import logging
import threading
from concurrent.futures import Future

from feedback import FeedbackLog
from jobs.loader import Outcome, load_in_thread
from jobs.replay.run import Replay
from model import Model, ModelError, Predictor
from model.exported import is_export
from model.runtimes.torch import DTYPES

logger = logging.getLogger(f"tryout.{__name__}")


def challenger_for(live: Predictor, model_id: str, revision: str) -> Predictor:
    """A model for the task of `live`, not loaded yet; "" is no revision.

    It shares the worker of a live model that is in this process.

    It computes in the dtype that `live` does, so that no difference is one of rounding. Pickles
    and code that comes with it are never allowed: any visitor may name a model.
    """
    info, from_export = live.info, is_export(model_id)
    return Model(
        model_id,
        revision=revision or None,
        task=info.task,
        runtime="onnx" if from_export else "torch",
        device="auto" if from_export else info.device,
        dtype=info.dtype if info.dtype in DTYPES and not from_export else None,
        shares_worker_with=live if isinstance(live, Model) else None,
    )


class Challenger:
    """What loads the second model, keeps it and lets it go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loading: Future[Predictor] | None = None
        self.chosen_by = ""
        self.replay: Replay | None = None

    @property
    def loading(self) -> Future[Predictor] | None:
        """The model as a future; None if there is none. Its error says why it failed."""
        return self._loading

    @property
    def model(self) -> Predictor | None:
        """The model, once it is loaded."""
        future = self._loading
        loaded = future is not None and future.done() and future.exception() is None
        return future.result() if future and loaded else None

    @property
    def replays(self) -> bool:
        """Whether a replay runs, which must be stopped before another model is loaded."""
        return self.replay is not None and self.replay.runs

    def load(self, live: Predictor, model_id: str, revision: str, *, by: str) -> bool:
        """Starts to load another model in place of the one that is there, and whether it did.

        Does nothing while one is being loaded or a replay runs.
        """
        with self._lock:
            if self.replays or (self._loading and not self._loading.done()):
                return False
            former, self.replay, self.chosen_by = self.model, None, by

            def make() -> Predictor:
                _let_go(former)  # first, as its memory may be what the next one needs
                return challenger_for(live, model_id, revision)

            self._loading = load_in_thread(
                make, thread_name="load-challenger", ended=_log_if_loaded
            )
            return True

    def unload(self) -> None:
        """Lets the model go, and its memory, unless a replay runs; what was compared stays."""
        with self._lock:
            if self.replays or (self._loading and not self._loading.done()):
                return
            former, self._loading = self.model, None
        _let_go(former)

    def start_replay(self, log: FeedbackLog, *, limit: int) -> None:
        """Starts a replay over the newest `limit` rated predictions, unless one runs."""
        with self._lock:
            model = self.model
            if model and not self.replays:
                self.replay = Replay(model, log, limit=limit)


def _log_if_loaded(outcome: Outcome) -> None:
    if not isinstance(outcome, ModelError):
        logger.info("%s is loaded to compare with", outcome.info.id)


def _let_go(model: Predictor | None) -> None:
    if model:
        model.close()
        gc.collect()
