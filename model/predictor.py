"""The Protocol of a predictor: all that pages, jobs and routes may ask of a model.

A predictor takes texts and gives predictions, in any thread. `model.Model` computes them in this
process; the caller of a predictor does not know where the model is.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from model.batching import Counters, Place
from model.generation import Generation
from model.info import ModelInfo
from model.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Inspection:
    """The revision that a load would read now, the bytes of memory that it needs, and the free."""

    revision: str
    needed_bytes: int = 0
    free_bytes: int = 0

    @property
    def fits(self) -> bool:
        """True if it can be loaded beside all that is in memory now."""
        return self.needed_bytes <= self.free_bytes


class Predictor(Protocol):
    """A model as its callers see it.

    Before `load` all but the first four and `close` raise ModelClosed; after `close` whatever
    predicts does, and the facts and counts can still be read.
    """

    @property
    def choice(self) -> object:
        """The arguments that it was made with, equal to those of a predictor made alike."""

    def inspect(self) -> Inspection:
        """The revision that `load` would read now, and its memory; raises ModelLoadError."""

    def succeed(self, former: "Predictor") -> None:
        """Takes over what can be kept of `former`, whose place it takes; called before `load`."""

    def load(self) -> None:
        """Makes the model ready to predict; raises ModelLoadError with reason and remedy."""

    def warm_up(self) -> None:
        """Predicts an example, as the first is the slowest; raises ModelLoadError if it fails."""

    @property
    def info(self) -> ModelInfo:
        """The facts of the model: id, revision, task, parameters, examples."""

    @property
    def generates(self) -> bool:
        """True if the output is a text that grows, which `stream` shows."""

    def predict(
        self, texts: Sequence[str], params: Mapping[str, Any] | None = None
    ) -> list[Prediction]:
        """A prediction for each text, in the order of `texts`; several texts let others go first.

        Raises InputError for a text or parameter that the task cannot take, ModelError if the
        prediction fails.
        """

    def submit(
        self,
        text: str,
        params: Mapping[str, Any] | None = None,
        *,
        bulk: bool = False,
        timeout_s: float = float("inf"),
    ) -> Future[Prediction]:
        """A future of the prediction of one text; cancelled before its turn, it costs nothing.

        A `bulk` text lets others go first. Raises InputError as `predict` does, and ModelBusy if
        too much waits already; the future raises it if the text waits for over `timeout_s`.
        """

    def submit_many(
        self,
        texts: Sequence[str],
        params: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = float("inf"),
    ) -> list[Future[Prediction]]:
        """A future for each text, in the order of `texts`; all of them let others go first.

        A text that the task cannot take fails alone: its future has the InputError. Raises
        InputError for a parameter, and ModelBusy if there is no room for all: then none is
        predicted. To stop a text that is being generated, use `stream`.
        """

    def stream(
        self, text: str, params: Mapping[str, Any] | None = None, *, bulk: bool = False
    ) -> Generation:
        """A text that is being generated; raises InputError where `generates` is False."""

    def reads_all(self, text: str, params: Mapping[str, Any] | None = None) -> bool:
        """True if the text is within the model's limit; raises InputError as `predict` does."""

    def place(self, future: Future[Prediction]) -> Place | None:
        """The place of a text in the queue; None once its turn has come."""

    @property
    def counters(self) -> Counters:
        """The counts and times of what was computed so far."""

    @property
    def queue_depth(self) -> int:
        """The number of texts that wait for their turn."""

    def retire(self) -> None:
        """Answers the texts that were submitted, then closes; later texts get ModelClosed at once.

        Blocks until all are answered.
        """

    def close(self) -> None:
        """Finishes the texts that are computed; waiting and later texts get ModelClosed."""
