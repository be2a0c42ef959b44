"""class Model: a transformers model in this process, which predicts for callers in all threads.

Knows no UI, web framework or database.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, cast

from model.batching import Counters, MicroBatcher, Place, Timing
from model.description import describe
from model.errors import InputError, ModelBusy, ModelClosed, ModelError, ModelLoadError
from model.generation import Generation
from model.inference import Computed, Inference, TokenizedText
from model.info import ModelInfo
from model.loading import Choice, Loaded, first_line, inspect, load
from model.prediction import Prediction
from model.predictor import Inspection, Predictor
from model.preprocess import Preprocess
from model.runtimes import OnnxRuntime
from model.sources import ModelSource
from model.tasks import TextGeneration

MAX_UNDER_WAY = 1000  # texts of one call of `predict`, so that the queue has room for others

BUSY_S = 0.1  # between attempts to get a place in a queue that is full

Queue = MicroBatcher[TokenizedText, Computed, Prediction]


class Model:
    """A transformers model by folder or Hub id; a single worker thread computes for all callers."""

    def __init__(
        self,
        model_id: str = "model/bundled",
        *,
        revision: str | None = None,
        task: str = "auto",
        runtime: str = "torch",
        device: str = "auto",
        dtype: str | None = None,
        params: Mapping[str, Any] | None = None,
        allow_pickle: bool = False,
        trust_remote_code: bool = False,
        preprocess: str = "",
        shares_worker_with: "Model | None" = None,
    ) -> None:
        """Stores the choice of a model and loads nothing.

        - `model_id`: the id of a model on the Hugging Face Hub, or a folder, looked up from the
          working directory and from the parent of `model/`.
        - `revision`: a branch, tag or commit on the Hub.
        - `task`: a task of TASKS, or "auto" for the task that the model is made for.
        - `runtime`: "torch", or "onnx" for a folder that `model.export` wrote.
        - `device`: a torch device, or "auto" for the best that is available.
        - `dtype`: a dtype of DTYPES; float32 if left out; "auto" for half precision where that is
          faster and gives the same scores. An export has a dtype of its own.
        - `params`: the owner's defaults of the parameters of predictions.
        - `allow_pickle`: reads pickled weights where there are no safetensors.
        - `trust_remote_code`: runs code that comes with the model.
        - `preprocess`: a function that changes each text before the model reads it, as a module
          and its function, like "preprocess:clean"; the module's file is looked up like a folder.
        - `shares_worker_with`: a loaded model whose worker thread computes for this model too. A
          batch has texts of one of the two, and the texts of this model let the others go first.

        A private model needs HF_TOKEN in the environment. Raises ModelLoadError for a value that
        is not supported.
        """
        self.model_id = model_id
        self._choice = Choice(
            source=ModelSource(
                model_id,
                revision,
                allow_pickle=allow_pickle,
                trust_remote_code=trust_remote_code,
                is_export=runtime == OnnxRuntime.name,
            ),
            task=task,
            runtime=runtime,
            device=device,
            dtype=dtype or ("auto" if runtime == OnnxRuntime.name else "float32"),
            params=dict(params or {}),
            preprocess=preprocess,
            is_second=shares_worker_with is not None,
        )
        self._worker_owner = shares_worker_with
        self._batcher: Queue | None = None
        self._inference: Inference | None = None
        self._closing = threading.Event()

    # --- loading ----------------------------------------------------------------------------------

    def load(self) -> None:
        """Reads tokenizer and weights; fetches them first if they are on the Hub.

        Raises ModelLoadError with one sentence that names the model and what is wrong with it.
        """
        preprocess = self._preprocess_of_owner()
        with self._explained():
            loaded = load(self._choice, preprocess=preprocess)
        inference = Inference(describe(self.model_id, loaded), loaded, closing=self._closing)
        if self._worker_owner:
            self._batcher = self._worker_owner._queue
            self._batcher.open_group(self)
        elif self._batcher is None:
            self._batcher = MicroBatcher(_run, _prediction)
            self._batcher.open_group(self)
            self._batcher.max_batch_tokens = inference.max_batch_tokens
        self._inference = inference

    def _preprocess_of_owner(self) -> Preprocess | None:
        """The function of the model whose worker is shared, if it is also this model's.

        Its file may have been edited since, and two models that are compared must read the same.
        """
        owner = self._worker_owner
        same = owner is not None and owner.choice.preprocess == self._choice.preprocess
        return owner.loaded.preprocess if owner and same else None

    @property
    def choice(self) -> Choice:
        """The arguments that this model was made with."""
        return self._choice

    def inspect(self) -> Inspection:
        """The revision that `load` would read now, and the memory that it needs; loads nothing.

        Raises ModelLoadError as `load` does.
        """
        with self._explained():
            return inspect(self._choice)

    def succeed(self, former: Predictor) -> None:
        """Has the worker thread of `former` compute for this model, too, whose place it takes.

        So no two forward passes run at once, the counts go on, and models that share the worker
        stay. To be called before `load`; does nothing if `former` has no such thread.
        """
        if isinstance(former, Model) and former._batcher:
            former._batcher.open_group(self)
            self._batcher = former._batcher

    def warm_up(self) -> None:
        """Predicts an example, since the first forward pass is the slowest.

        Raises ModelLoadError if the prediction fails.
        """
        example = self.loaded.task.examples[0]
        try:
            self._predict_once_there_is_room(example.text)
        except ModelError as error:
            reason = first_line(error.__cause__ if error.__cause__ else error)
            raise ModelLoadError(
                f"The model {self.model_id!r} is loaded and fails at its first prediction: "
                f"{reason} Check its files, or name another model."
            ) from error
        if self._batcher and not self._worker_owner:
            # Only now: a model that fails has no place to take.
            self._batcher.max_batch_tokens = self._require_loaded().max_batch_tokens

    def _predict_once_there_is_room(self, text: str) -> None:
        """Predicts a text; a queue that is shared may be full with the texts of another model."""
        while True:
            try:
                self.predict([text], {"max_new_tokens": 1} if self.generates else {})
                return
            except ModelBusy:
                time.sleep(BUSY_S)

    @property
    def info(self) -> ModelInfo:
        """The facts of the loaded model; raises ModelClosed before `load`."""
        return self._require_loaded().info

    @property
    def loaded(self) -> Loaded:
        """Task, tokenizer and runtime, for the modules of `model/`.

        Raises ModelClosed before `load`, and after `close` of a model that shares a worker.
        """
        return self._require_loaded().loaded

    @property
    def generates(self) -> bool:
        """True if the task is text generation, whose output `stream` shows while it grows."""
        return self.info.task == TextGeneration.name

    # --- predicting -------------------------------------------------------------------------------

    def predict(
        self, texts: Sequence[str], params: Mapping[str, Any] | None = None
    ) -> list[Prediction]:
        """A prediction for each text, in the order of `texts`; several texts let others go first.

        A text over the model's limit is cut there and its prediction is marked `truncated`. Raises
        InputError for a text or parameter that the task cannot take, ModelError if the forward
        pass fails, ModelClosed before `load` and after `close`.
        """
        if isinstance(texts, str):
            raise InputError("predict takes a list of texts; put a single text into a list.")
        tokenized = self._tokenize(texts, params)
        # Sorted, texts of like length are neighbours in the queue, however far it looks ahead.
        order = sorted(range(len(tokenized)), key=lambda i: tokenized[i].size.longest)
        futures: dict[int, Future[Prediction]] = {}
        try:
            for position, i in enumerate(order):
                if position >= MAX_UNDER_WAY:
                    futures[order[position - MAX_UNDER_WAY]].result()
                futures[i] = self._submit(tokenized[i], bulk=len(tokenized) > 1)
            return [futures[i].result() for i in range(len(tokenized))]
        finally:
            for i, future in futures.items():
                future.cancel()
                if generation := tokenized[i].generation:
                    generation.stop()

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
        (tokenized,) = self._tokenize((text,), params)
        return self._submit(tokenized, bulk=bulk, timeout_s=timeout_s)

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
        futures: dict[int, Future[Prediction]] = {}
        tokenized: dict[int, TokenizedText] = {}
        for i, result in enumerate(self._tokenize_each(texts, params)):
            if isinstance(result, InputError):
                futures[i] = Future()
                futures[i].set_exception(result)
            else:
                tokenized[i] = result
        try:
            for i in sorted(tokenized, key=lambda i: tokenized[i].size.longest):
                futures[i] = self._submit(tokenized[i], bulk=True, timeout_s=timeout_s)
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise
        return [futures[i] for i in range(len(texts))]

    def stream(
        self, text: str, params: Mapping[str, Any] | None = None, *, bulk: bool = False
    ) -> Generation:
        """A text that is being generated, to be read while it grows; see `class Generation`.

        A `bulk` text lets others go first, and is not stopped if nobody reads it. Raises
        InputError if the task does not generate, and as `predict` does; ModelBusy as `submit`.
        """
        if not self.generates:
            raise InputError(f"The task {self.info.task} gives its output at once: use submit.")
        (tokenized,) = self._tokenize((text,), params, readers_stay=bulk)
        generation = cast(Generation, tokenized.generation)
        generation.future = self._submit(tokenized, bulk=bulk)
        return generation

    def reads_all(self, text: str, params: Mapping[str, Any] | None = None) -> bool:
        """True if the text is within the model's limit; tokenizes it and does not predict.

        Raises InputError as `predict` does.
        """
        (tokenized,) = self._tokenize((text,), params)
        return not tokenized.truncated

    def place(self, future: Future[Prediction]) -> Place | None:
        """The place of a text in the queue; None once its turn has come."""
        return self._queue.place(future)

    @property
    def counters(self) -> Counters:
        """The counts and times of what was computed so far; raises ModelClosed before `load`."""
        return self._queue.counters

    @property
    def queue_depth(self) -> int:
        """The number of texts that wait for their turn; raises ModelClosed before `load`."""
        return self._queue.depth

    def close(self) -> None:
        """Finishes the batch that is computed, stops a text that grows, refuses the other texts.

        Frees the weights, though callers may still hold the model.
        """
        self._closing.set()
        self._close(finishes=False)

    def retire(self) -> None:
        """Takes no more texts, answers those that were submitted, then closes; blocks until then.

        Later texts get ModelClosed when they are submitted.
        """
        self._close(finishes=True)
        self._closing.set()

    def _close(self, *, finishes: bool) -> None:
        if self._batcher:
            self._batcher.close_group(self, finishes=finishes)
        if self._inference:
            self._inference.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns whatever goes wrong with a load into a ModelLoadError of one sentence or two."""
        try:
            yield
        except (ModelLoadError, InputError) as error:
            raise ModelLoadError(
                f"The model {self.model_id!r} cannot be loaded. {error}"
            ) from error
        except Exception as error:
            raise ModelLoadError(
                f"The model {self.model_id!r} cannot be loaded: {first_line(error)} "
                "Check its files, or name another model."
            ) from error

    def _tokenize(
        self,
        texts: Sequence[str],
        params: Mapping[str, Any] | None,
        *,
        readers_stay: bool = True,
    ) -> list[TokenizedText]:
        return self._require_loaded().tokenize(texts, params or {}, readers_stay=readers_stay)

    def _tokenize_each(
        self, texts: Sequence[str], params: Mapping[str, Any] | None
    ) -> Sequence[TokenizedText | InputError]:
        """The texts as tokens, or the reason why a text cannot be taken."""
        self._require_loaded().checked(params or {})
        try:
            return self._tokenize(texts, params)
        except InputError as error:
            if len(texts) == 1:
                return [error]
        return [result for text in texts for result in self._tokenize_each((text,), params)]

    def _submit(
        self, text: TokenizedText, *, bulk: bool = False, timeout_s: float = float("inf")
    ) -> Future[Prediction]:
        bulk = bulk or self._worker_owner is not None
        return self._queue.submit(text, text.size, group=self, bulk=bulk, timeout_s=timeout_s)

    def _require_loaded(self) -> Inference:
        if self._inference is None:
            raise ModelClosed(f"The model {self.model_id!r} is not loaded yet. Call load() first.")
        return self._inference

    @property
    def _queue(self) -> Queue:
        self._require_loaded()
        return cast(Queue, self._batcher)


def _run(batch: Sequence[TokenizedText]) -> Sequence[Computed]:
    """Computes a batch, whose texts are all of one model."""
    return batch[0].model.run(batch)


def _prediction(text: TokenizedText, computed: Computed, timing: Timing) -> Prediction:
    return text.model.prediction(text, computed, timing)
