"""class Model: a transformers model that takes texts and returns predictions.

Knows no UI, web framework or database.
"""

import functools
import itertools
import logging
import platform
import random
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from model.batching import (
    MAX_BATCH_TOKENS,
    Counters,
    MicroBatcher,
    Place,
    Size,
    Timing,
)
from model.card import Card
from model.errors import InputError, ModelClosed, ModelError, ModelLoadError
from model.generation import Generation
from model.info import Example, ModelInfo
from model.loading import Choice, Loaded, first_line, load
from model.machine import is_out_of_memory
from model.params import checked
from model.prediction import (
    Finish,
    GeneratedText,
    Output,
    Prediction,
    new_id,
    now,
)
from model.runtimes import OnnxRuntime, TorchRuntime
from model.sources import ModelSource
from model.tasks import Task, TextGeneration
from model.tokenizer import UNLIMITED, TokenRow, TransformersTokenizer

logger = logging.getLogger(f"tryout.{__name__}")

TOKENIZED_AT_ONCE = 1000
MAX_UNDER_WAY = 1000  # texts of one call of `predict`, so that the queue has room for others
MAX_BATCH_LOGITS = 2**26  # a model that gives some for each token and each word of its language


@dataclass(frozen=True, slots=True)
class Work:
    """A text on its way to the worker: tokenized, in the caller's thread."""

    owner: "Model"
    text: str
    rows: Sequence[TokenRow]
    params: Mapping[str, Any]
    generation: Generation | None = None

    @property
    def size(self) -> Size:
        if self.generation:  # goes alone
            return Size(1, MAX_BATCH_TOKENS)
        return Size(len(self.rows), max(map(len, self.rows)))

    @property
    def truncated(self) -> bool:
        return any(row.truncated for row in self.rows)


Value = Sequence[NDArray[np.float32]] | list[int]  # logits of each row, or new token ids


class Model:
    """A transformers model by folder or Hub id; one worker thread computes for all callers."""

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
        shares_worker_with: "Model | None" = None,
    ) -> None:
        """Notes what to load and loads nothing.

        `model_id` is a folder, looked up from the working directory and from the one that holds
        `model/`, or the id of a model on the Hugging Face Hub. `revision` is a Hub branch, tag or
        commit. `task` is one of TASKS, or "auto" for what the model is made for. `runtime` is
        "torch", or "onnx" for a folder that `model.export` wrote, in the dtype it has. `dtype` is
        one of DTYPES, float32 if left out, or "auto" for half precision where that is faster and
        says the same. `params` are defaults for predictions. `allow_pickle` takes pickled weights
        where there are no safetensors; `trust_remote_code` runs code that comes with the model. A
        private model needs HF_TOKEN in the environment. The worker of `shares_worker_with`, a
        loaded model, computes for this one too: a batch at a time, of one of the two, and the
        texts of this one always let the others go first. Raises ModelLoadError for what is not
        supported.
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
            is_second=shares_worker_with is not None,
        )
        self._worker_owner = shares_worker_with
        self.loaded: Loaded
        self._info: ModelInfo | None = None
        self._batcher: MicroBatcher[Work, Value, Prediction] | None = None
        self._closing = threading.Event()

    # --- loading ----------------------------------------------------------------------------------

    def load(self) -> None:
        """Reads tokenizer and weights; fetches them first if they are on the Hub.

        Raises ModelLoadError with one sentence that names the model and what is wrong with it.
        """
        try:
            self.loaded = load(self._choice)
        except (ModelLoadError, InputError) as error:
            raise ModelLoadError(
                f"The model {self.model_id!r} cannot be loaded. {error}"
            ) from error
        except Exception as error:
            raise ModelLoadError(
                f"The model {self.model_id!r} cannot be loaded: {first_line(error)} "
                "Check its files, or name another model."
            ) from error
        if self._worker_owner:
            self._batcher = self._worker_owner._queue
        else:
            self._batcher = MicroBatcher(
                _run_batch, _predicted_of, max_batch_tokens=self._max_batch_tokens()
            )
        self._info = self._describe(self.loaded)

    def _describe(self, loaded: Loaded) -> ModelInfo:
        task, runtime, card = loaded.task, loaded.runtime, loaded.card
        max_tokens = loaded.tokenizer.max_tokens
        return ModelInfo(
            id=self.model_id,
            revision=loaded.revision,
            title=card.title or self.model_id.rstrip("/").split("/")[-1],
            task=task.name,
            intro=task.intro,
            placeholder=task.placeholder,
            labels=task.labels,
            params=tuple(
                replace(param, default=_frozen(loaded.params.get(param.name, param.default)))
                for param in task.params
            ),
            examples=_examples(card, task) or task.examples,
            parameters=runtime.parameters,
            memory_bytes=runtime.memory_bytes,
            max_tokens=max_tokens if max_tokens < UNLIMITED else None,
            truncation_side="right" if loaded.tokenizer.traits.truncates_right else "left",
            runtime=runtime.name,
            device=runtime.device,
            dtype=runtime.dtype,
            dtype_reason=loaded.dtype_reason,
            versions={"Python": platform.python_version()}
            | {package: version(package) for package in loaded.packages},
            card=card.text,
        )

    @property
    def info(self) -> ModelInfo:
        """The facts of the loaded model; raises ModelClosed before `load`."""
        return self._require_loaded()

    # --- predicting -------------------------------------------------------------------------------

    def predict(
        self, texts: Sequence[str], params: Mapping[str, Any] | None = None
    ) -> list[Prediction]:
        """One prediction a text, in the order of `texts`.

        A text over the model's limit is cut there and its prediction says `truncated`. Raises
        InputError for a text or parameter that the task cannot take, ModelError if the forward
        pass fails, ModelClosed if the model is not to be used.
        """
        if isinstance(texts, str):
            raise InputError("predict takes a list of texts; put the one text into a list.")
        works = self._works(texts, params, readers_stay=True)
        # Neighbours in the queue are alike, whatever the look-ahead.
        order = sorted(range(len(works)), key=lambda i: works[i].size.longest)
        futures: dict[int, Future[Prediction]] = {}
        try:
            for done, i in enumerate(order):
                if done >= MAX_UNDER_WAY:
                    futures[order[done - MAX_UNDER_WAY]].result()
                futures[i] = self._submit(works[i], bulk=len(works) > 1)
            return [futures[i].result() for i in range(len(works))]
        finally:
            for i, future in futures.items():
                future.cancel()
                if generation := works[i].generation:
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

        A `bulk` text lets others go first. Raises ModelBusy if too much waits already; the future
        has one if the text waits for more than `timeout_s`.
        """
        (work,) = self._works((text,), params, readers_stay=True)
        return self._submit(work, bulk=bulk, timeout_s=timeout_s)

    def reads_all(self, text: str, params: Mapping[str, Any] | None = None) -> bool:
        """Whether the text is within the model's limit; only tokenizes it.

        Raises InputError for a text or parameter that the task cannot take.
        """
        (work,) = self._works((text,), params, readers_stay=True)
        return not work.truncated

    def place(self, future: Future[Prediction]) -> Place | None:
        """Where a text waits for its turn; None once that has come."""
        return self._queue.place(future)

    @property
    def counters(self) -> Counters:
        """What was computed so far, and what was not; raises ModelClosed before `load`."""
        return self._queue.counters

    @property
    def queue_depth(self) -> int:
        """How many texts wait for their turn; raises ModelClosed before `load`."""
        return self._queue.depth

    @property
    def generates(self) -> bool:
        """Whether the task is text generation, which `stream` shows as it goes."""
        return self.info.task == TextGeneration.name

    def stream(
        self, text: str, params: Mapping[str, Any] | None = None, *, bulk: bool = False
    ) -> Generation:
        """A text that is being generated, to be read while it grows; see `class Generation`.

        A `bulk` text lets others go first, and goes on though nobody reads it.
        """
        if not self.generates:
            raise InputError(f"The task {self.info.task} gives its output at once: use submit.")
        (work,) = self._works((text,), params, readers_stay=bulk)
        generation = cast(Generation, work.generation)
        generation.future = self._submit(work, bulk=bulk)
        return generation

    def warm_up(self) -> None:
        """Predicts an example: a first forward pass is the slowest, and shows what is broken.

        Raises ModelLoadError if it fails.
        """
        try:
            text = self.loaded.task.examples[0].text
            self.predict([text], {"max_new_tokens": 1} if self.generates else {})
        except ModelError as error:
            reason = first_line(error.__cause__ if error.__cause__ else error)
            raise ModelLoadError(
                f"The model {self.model_id!r} is loaded and fails at its first prediction: "
                f"{reason} Check its files, or name another model."
            ) from error

    def close(self) -> None:
        """Finishes what runs, stops a text that grows, fails what waits, refuses what comes.

        A model that shares a worker does so for its own texts, and frees its weights.
        """
        self._closing.set()
        if self._batcher and self._worker_owner:
            self._batcher.close_group(self)
            if hasattr(self, "loaded"):
                del self.loaded
        elif self._batcher:
            self._batcher.close()

    def _submit(
        self, work: Work, *, bulk: bool = False, timeout_s: float = float("inf")
    ) -> Future[Prediction]:
        if self._is_gone:
            raise ModelClosed("The model was closed.")
        bulk = bulk or self._worker_owner is not None
        return self._queue.submit(work, work.size, group=self, bulk=bulk, timeout_s=timeout_s)

    def _require_loaded(self) -> ModelInfo:
        if self._info is None:
            raise ModelClosed(f"The model {self.model_id!r} is not loaded yet. Call load() first.")
        return self._info

    @property
    def _is_gone(self) -> bool:
        """Whether it was closed, and its worker goes on for another."""
        return self._worker_owner is not None and self._closing.is_set()

    @property
    def _queue(self) -> MicroBatcher[Work, Value, Prediction]:
        self._require_loaded()
        return cast(MicroBatcher[Work, Value, Prediction], self._batcher)

    def _values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all parameters; raises InputError."""
        values = checked(self.loaded.task.params, params, defaults=self.loaded.params)
        if values.get("temperature") and values["seed"] == 0:
            values["seed"] = random.randint(1, 2**31 - 1)  # noqa: S311 - no secret hangs on it
        return values

    def _works(
        self, texts: Sequence[str], params: Mapping[str, Any] | None, *, readers_stay: bool
    ) -> list[Work]:
        """The texts, tokenized; raises InputError if one of them cannot be predicted."""
        self._require_loaded()
        try:
            if self.generates:  # each draws a seed of its own
                return [self._prompt(text, params or {}, readers_stay) for text in texts]
            values = self._values(params or {})
            works: list[Work] = []
            for start in range(0, len(texts), TOKENIZED_AT_ONCE):
                chunk = texts[start : start + TOKENIZED_AT_ONCE]
                rows = self.loaded.task.rows(chunk, values)
                works += [Work(self, t, r, values) for t, r in zip(chunk, rows, strict=True)]
        except InputError:
            raise
        except Exception as error:
            raise self._failure(error, len(texts)) from error
        return works

    def _prompt(self, text: str, params: Mapping[str, Any], readers_stay: bool) -> Work:
        task, values = cast(TextGeneration, self.loaded.task), self._values(params)
        row = task.prompt(text, values, max_tokens=self.loaded.tokenizer.max_tokens)
        decode = functools.partial(self.loaded.tokenizer.decode, special=False)
        return Work(self, text, (row,), values, Generation(decode, readers_stay=readers_stay))

    def _max_batch_tokens(self) -> int:
        """How many padded tokens a batch may have; 0 where rows cannot be padded."""
        if not (self.loaded.tokenizer.pads_right and self.loaded.runtime.can_pad):
            return 0
        return min(MAX_BATCH_TOKENS, MAX_BATCH_LOGITS // self.loaded.runtime.width)

    # --- on the worker thread ---------------------------------------------------------------------

    def _run(self, works: Sequence[Work]) -> list[Value]:
        """The logits of each work's rows, or the ids of the one text that is to be generated."""
        try:
            if generation := works[0].generation:
                return [[] if generation.stopped else self._tokens(works[0], generation)]
            flat = [row for work in works for row in work.rows]
            logits: dict[int, NDArray[np.float32]] = {}
            # One batch, unless a single work is larger than that.
            for batch in batches(list(map(len, flat)), max_tokens=self._max_batch_tokens()):
                made = self.loaded.runtime.forward([flat[i] for i in batch])
                logits |= zip(batch, made, strict=True)
        except Exception as error:
            raise self._failure(error, len(works)) from error
        every = iter(logits[i] for i in range(len(flat)))
        return [list(itertools.islice(every, len(work.rows))) for work in works]

    def _predicted(self, work: Work, value: Value, timing: Timing) -> Prediction:
        try:
            output = self._output(work, value)
        except Exception as error:
            raise self._failure(error, 1) from error
        return Prediction(
            id=new_id(),
            created_at=now(),
            task=self.loaded.task.name,
            model_id=self.model_id,
            model_revision=self.info.revision,
            runtime=self.info.runtime,
            params=work.params,
            input=work.text,
            output=output,
            truncated=work.truncated,
            queue_ms=timing.queue_ms,
            inference_ms=timing.inference_ms,
        )

    def _output(self, work: Work, value: Value) -> Output:
        if work.generation is None:
            return self.loaded.task.output(work.text, work.rows, cast(Any, value), work.params)
        ids = cast(list[int], value)
        text = self.loaded.tokenizer.decode(ids, special=False)
        return GeneratedText(text, len(ids), self._finish(ids, work, work.generation))

    def _finish(self, ids: Sequence[int], work: Work, generation: Generation) -> Finish:
        if self._torch.ends(ids):
            return "end"
        if len(ids) == work.params["max_new_tokens"]:
            return "length"
        return "stopped" if generation.stopped or self._closing.is_set() else "end"

    @property
    def _torch(self) -> TorchRuntime:
        return cast(TorchRuntime, self.loaded.runtime)  # no other generates

    def _tokens(self, work: Work, generation: Generation) -> list[int]:
        return self._torch.generate(
            work.rows[0],
            tokenizer=cast(TransformersTokenizer, self.loaded.tokenizer).raw,
            max_new_tokens=work.params["max_new_tokens"],
            temperature=work.params["temperature"],
            seed=work.params["seed"],
            goes_on=lambda ids: generation.goes_on(ids) and not self._closing.is_set(),
        )

    def _failure(self, error: Exception, texts: int) -> ModelError:
        if self._is_gone:  # while this went on
            return ModelClosed("The model was closed.")
        logger.exception("The model %s failed on %d texts", self.model_id, texts)
        reason = (
            "there is not enough memory for it. Shorten the text."
            if is_out_of_memory(error)
            else f"{first_line(error)} Try another text; the owner finds the details in the log."
        )
        return ModelError(f"The model {self.model_id!r} failed on this input: {reason}")


def _run_batch(works: Sequence[Work]) -> Sequence[Value]:
    """A batch, which is of one model only."""
    return works[0].owner._run(works)


def _predicted_of(work: Work, value: Value, timing: Timing) -> Prediction:
    return work.owner._predicted(work, value, timing)


def batches(lengths: Sequence[int], *, max_tokens: int) -> list[list[int]]:
    """Indices grouped by length so that a padded batch has at most `max_tokens` tokens.

    A longer item gets a batch of its own. On a CPU padding costs as much as text, so batches of
    mixed lengths can be slower than no batches at all.
    """
    made: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if made and (len(made[-1]) + 1) * lengths[i] <= max_tokens:
            made[-1].append(i)
        else:
            made.append([i])
    return made


def _examples(card: Card, task: Task) -> tuple[Example, ...]:
    """The card's examples, as far as the task has their parameters."""
    names = {param.name for param in task.params}
    return tuple(
        Example(one.text, {k: v for k, v in one.params.items() if k in names})
        for one in card.examples
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
