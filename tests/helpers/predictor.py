"""A predictor without a model, for tests of pages, jobs and routes that are not about a model.

It passes the same contract tests as the real ones (tests/model/test_predictor.py). It labels a
text by the words in it and computes in the thread of its caller.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from model import (
    Example,
    Generation,
    InputError,
    ModelClosed,
    ModelInfo,
    Param,
    Prediction,
    Predictor,
    ScoredLabel,
    ScoredLabels,
)
from model.batching import Counters, Place
from model.params import checked
from model.prediction import new_id, now
from model.predictor import Inspection

LABELS = ("negative", "neutral", "positive")
MAX_CHARS = 2000


class FakePredictor:
    """Says positive of a text with "good", negative of one with "bad", else neutral."""

    def __init__(
        self,
        model_id: str = "tests/fake",
        *,
        revision: str = "1",
        params: Sequence[Param] = (),
        runtime: str = "remote",
    ) -> None:
        self._info = ModelInfo(
            id=model_id,
            revision=revision,
            title="Fake",
            task="text-classification",
            intro="Paste a text.",
            placeholder="A text",
            labels=LABELS,
            mask_token=None,
            params=tuple(params),
            examples=(Example("A good day."),),
            parameters=0,
            memory_bytes=0,
            max_tokens=None,
            truncation_side="right",
            runtime=runtime,
            device="cpu",
            dtype="float32",
            dtype_reason="",
            versions={},
            card="",
        )
        self._is_loaded = self._is_closed = False
        self._counters = Counters()

    @property
    def choice(self) -> object:
        return self._info.id

    def inspect(self) -> Inspection:
        return Inspection(self._info.revision)

    def succeed(self, former: Predictor) -> None:
        pass

    def renew(self, revision: str) -> None:
        """Makes it another revision of the model."""
        self._info = replace(self._info, revision=revision)

    def load(self) -> None:
        self._is_loaded = True

    def warm_up(self) -> None:
        self._require_loaded()

    @property
    def info(self) -> ModelInfo:
        self._require_loaded()
        return self._info

    @property
    def generates(self) -> bool:
        self._require_loaded()
        return False

    def predict(
        self, texts: Sequence[str], params: Mapping[str, Any] | None = None
    ) -> list[Prediction]:
        if isinstance(texts, str):
            raise InputError("predict takes a list of texts; put the one text into a list.")
        self._require_loaded()
        return [self._prediction(text, params or {}) for text in texts]

    def submit(
        self,
        text: str,
        params: Mapping[str, Any] | None = None,
        *,
        bulk: bool = False,
        timeout_s: float = float("inf"),
    ) -> Future[Prediction]:
        self._require_loaded()
        future: Future[Prediction] = Future()
        future.set_result(self._prediction(text, params or {}))
        return future

    def submit_many(
        self,
        texts: Sequence[str],
        params: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = float("inf"),
    ) -> list[Future[Prediction]]:
        self._require_loaded()
        checked(self._info.params, params or {}, defaults={})
        futures: list[Future[Prediction]] = [Future() for _ in texts]
        for future, text in zip(futures, texts, strict=True):
            try:
                future.set_result(self._prediction(text, params or {}))
            except InputError as error:
                future.set_exception(error)
        return futures

    def stream(
        self, text: str, params: Mapping[str, Any] | None = None, *, bulk: bool = False
    ) -> Generation:
        raise InputError(f"The task {self.info.task} gives its output at once: use submit.")

    def reads_all(self, text: str, params: Mapping[str, Any] | None = None) -> bool:
        self._require_loaded()
        return len(text) <= MAX_CHARS

    def place(self, future: Future[Prediction]) -> Place | None:
        self._require_loaded()
        return None

    @property
    def counters(self) -> Counters:
        self._require_loaded()
        return self._counters

    @property
    def queue_depth(self) -> int:
        self._require_loaded()
        return 0

    def retire(self) -> None:
        self.close()

    def close(self) -> None:
        self._is_closed = True

    def _require_loaded(self) -> None:
        if not self._is_loaded:
            raise ModelClosed("The fake predictor is not loaded yet.")

    def _prediction(self, text: str, params: Mapping[str, Any]) -> Prediction:
        if self._is_closed:
            raise ModelClosed("The fake predictor was closed.")
        if not text.strip():
            raise InputError("There is no text to predict.")
        values = checked(self._info.params, params, defaults={})
        self._counters.done += 1
        return Prediction(
            id=new_id(),
            created_at=now(),
            task=self._info.task,
            model_id=self._info.id,
            model_revision=self._info.revision,
            runtime=self._info.runtime,
            params=values,
            input=text,
            output=_output(text),
            truncated=not self.reads_all(text),
            queue_ms=0.0,
            inference_ms=0.0,
        )


def _output(text: str) -> ScoredLabels:
    first = "positive" if "good" in text else "negative" if "bad" in text else "neutral"
    rest = [label for label in LABELS if label != first]
    items = (ScoredLabel(first, 0.8), ScoredLabel(rest[0], 0.15), ScoredLabel(rest[1], 0.05))
    return ScoredLabels(items)
