"""Shadow: a challenger predicts a share of the texts that the live model has answered.

Nothing of it is answered, and nothing waits for it: its texts are bulk, and are dropped while the
model has much to do. Both predictions are in the log, where the Compare page finds them. Knows
neither HTTP nor settings.
"""

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from feedback import Entry
from feedback.shadowed import shadow_entry
from jobs.challenger import challenger_for
from jobs.loader import LoadFuture, LoadResult, load_in_thread, loaded_by
from model import ModelBusy, ModelError, Prediction, Predictor

logger = logging.getLogger(f"tryout.{__name__}")

MAX_UNDER_WAY = 64  # texts of the challenger
BUSY_DEPTH = 8  # texts that wait for the live model: from here on it has much to do

Put = Callable[[list[Entry]], object]


class Shadow:
    """The challenger of a process for the texts of its API, and the counts of those texts.

    `counts` has those that were predicted, dropped, and failed.
    """

    def __init__(self, model_id: str, *, revision: str = "", share: float = 0.1) -> None:
        """Loads nothing yet; `share` of the texts are drawn by chance."""
        self._model_id, self._revision, self._share = model_id, revision, share
        self._lock = threading.Lock()
        self._loading: LoadFuture | None = None
        self._live: Predictor | None = None  # beside which it was loaded, or could not be
        self._under_way = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadow")  # tokenizes
        self._closed = False
        self.counts = Counter(predicted=0, dropped=0, failed=0)

    def offer(self, live: Predictor, answered: Prediction, put: Put) -> None:
        """Predicts the text of a prediction by `live` too, if it is drawn; returns at once.

        `put` is called with the entry, in another thread.
        """
        if random.random() >= self._share:  # noqa: S311 - not used as a secret
            return
        with self._lock:
            if self._closed:
                return
            challenger = self._challenger  # before it starts to load: that text is always dropped
            if self._loading is None or self._is_outdated(self._loading, live):
                self._load(live)
            if (
                challenger is None
                or challenger.info.task != answered.task
                or self._under_way >= MAX_UNDER_WAY
                or self._has_much_to_do(live)
            ):
                self.counts["dropped"] += 1
                return
            self._under_way += 1
            self._thread.submit(self._predict, challenger, answered, put)

    def _is_outdated(self, loading: LoadFuture, live: Predictor) -> bool:
        """True if the challenger failed beside a former model, or has another task than `live`."""
        if live is self._live or not loading.done():
            return False
        challenger = self._challenger
        return challenger is None or challenger.info.task != live.info.task

    def _load(self, live: Predictor) -> None:
        former, self._live = self._challenger, live

        def make() -> Predictor:
            if former:
                former.retire()  # first, as the next one may need its memory
            return challenger_for(live, self._model_id, self._revision)

        self._loading = load_in_thread(make, thread_name="load-shadow", on_end=_log_if_loaded)

    @property
    def is_loaded(self) -> bool:
        """True once the challenger is there, which the first text that is drawn has loaded."""
        return self._challenger is not None

    @property
    def _challenger(self) -> Predictor | None:
        return loaded_by(self._loading)

    @staticmethod
    def _has_much_to_do(live: Predictor) -> bool:
        return live.queue_depth >= BUSY_DEPTH

    def _predict(self, challenger: Predictor, answered: Prediction, put: Put) -> None:
        names = {param.name for param in challenger.info.params}
        params = {name: value for name, value in answered.params.items() if name in names}
        try:
            if challenger.generates:
                future = challenger.stream(answered.input, params, bulk=True).future
            else:
                future = challenger.submit(answered.input, params, bulk=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody else may notice
            self._end("dropped" if isinstance(error, ModelBusy) else "failed", error)
            return
        future.add_done_callback(lambda done: self._log(done, answered, put))

    def _log(self, done: Future[Prediction], answered: Prediction, put: Put) -> None:
        try:
            prediction = done.result()
            if prediction.output.is_whole:
                put([shadow_entry(prediction, answered.id)])
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody else may notice
            self._end("failed", error)
        else:
            self._end("predicted")

    def _end(self, result: str, error: Exception | None = None) -> None:
        if error and not isinstance(error, ModelError):
            logger.error("A text of the shadow failed", exc_info=error)
        with self._lock:
            self._under_way -= 1
            self.counts[result] += 1

    def close(self) -> None:
        """Takes no more texts, and closes the challenger."""
        with self._lock:
            self._closed = True
            self._thread.shutdown(wait=False, cancel_futures=True)
            challenger = self._challenger
        if challenger:
            challenger.close()


def _log_if_loaded(result: LoadResult) -> None:
    if not isinstance(result, ModelError):
        logger.info("%s, revision %s, is the shadow", result.info.id, result.info.revision)
