"""Inference with a loaded model: tokenizing texts, the forward pass or generation, the predictions.

When each step is called, and in which thread, is up to model/model.py and model/batching.py.
"""

import functools
import itertools
import json
import logging
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from model.batching import MAX_BATCH_TOKENS, Size, Timing
from model.errors import InputError, ModelClosed, ModelError
from model.generation import Generation
from model.info import ModelInfo
from model.loading import Loaded, first_line
from model.machine import is_out_of_memory
from model.params import checked
from model.prediction import Finish, GeneratedText, Output, Prediction, new_id, now
from model.runtimes import TorchRuntime
from model.runtimes.rows import batches
from model.tasks import TextGeneration
from model.tasks.text_generation import conversation
from model.tokenizer import TokenRow, TransformersTokenizer

logger = logging.getLogger(f"tryout.{__name__}")

TOKENIZED_AT_ONCE = 1000  # texts
MAX_BATCH_LOGITS = 2**26  # of a batch: language models give a logit for each token and word

# The logits of each row of a text, or the new token ids of a generated text.
Computed = Sequence[NDArray[np.float32]] | list[int]


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text as the rows of its forward pass, with its parameters and the model that tokenized it.

    `read` is the text that the model reads, None if that is `text`. `generation` receives the new
    tokens if the task is text generation.
    """

    model: "Inference"
    text: str
    read: str | None
    rows: Sequence[TokenRow]
    params: Mapping[str, Any]
    generation: Generation | None = None

    @property
    def size(self) -> Size:
        """The number of its rows, and the tokens of the longest of them."""
        if self.generation:  # computed alone, so it fills a batch
            return Size(1, MAX_BATCH_TOKENS)
        return Size(len(self.rows), max(map(len, self.rows)))

    @property
    def truncated(self) -> bool:
        """True if the text is longer than the model's limit, and was cut."""
        return any(row.truncated for row in self.rows)


class Inference:
    """A loaded model as a function of texts: `tokenize`, then `run`, then `prediction`.

    Any thread may tokenize, many at once; `run` and `prediction` need one thread at a time.
    """

    def __init__(self, info: ModelInfo, loaded: Loaded, *, closing: threading.Event) -> None:
        """`closing` is set to stop a text that is being generated."""
        self.info = info
        self._loaded: Loaded | None = loaded
        self._closing = closing
        # The most padded tokens of a batch; 0 if rows cannot be padded and are computed alone.
        can_pad = loaded.tokenizer.pads_right and loaded.runtime.can_pad
        most = min(MAX_BATCH_TOKENS, MAX_BATCH_LOGITS // loaded.runtime.width)
        self.max_batch_tokens = most if can_pad else 0

    @property
    def loaded(self) -> Loaded:
        """The model in memory; raises ModelClosed after `release`."""
        if self._loaded is None:
            raise ModelClosed("The model was closed.")
        return self._loaded

    def release(self) -> None:
        """Frees the weights, though callers may still hold tokenized texts."""
        self._loaded = None

    def tokenize(
        self, texts: Sequence[str], params: Mapping[str, Any], *, readers_stay: bool
    ) -> list[TokenizedText]:
        """The texts as rows of tokens, in their order.

        `readers_stay` is for text generation; see `class Generation`. Raises InputError if a text
        or a parameter cannot be taken, ModelError if the tokenizer fails, ModelClosed after
        `release`.
        """
        loaded = self.loaded
        try:
            if isinstance(loaded.task, TextGeneration):
                return [self._prompt(text, params, readers_stay=readers_stay) for text in texts]
            values = self.checked(params)
            tokenized: list[TokenizedText] = []
            for start in range(0, len(texts), TOKENIZED_AT_ONCE):
                chunk = texts[start : start + TOKENIZED_AT_ONCE]
                read = self._read(chunk)
                rows = loaded.task.rows(read, values)
                tokenized += [
                    TokenizedText(self, text, _unless_same(read_text, text), rows_of_text, values)
                    for text, read_text, rows_of_text in zip(chunk, read, rows, strict=True)
                ]
        except (InputError, ModelClosed):
            raise
        except Exception as error:
            raise self._failure(error, len(texts)) from error
        return tokenized

    def _prompt(self, text: str, params: Mapping[str, Any], *, readers_stay: bool) -> TokenizedText:
        loaded, values = self.loaded, self.checked(params)  # with a seed for each text
        task = cast(TextGeneration, loaded.task)
        read = self._read_conversation(text) if values.get("messages") else self._read([text])[0]
        row = task.prompt(read, values, max_tokens=loaded.tokenizer.max_tokens)
        decode = functools.partial(loaded.tokenizer.decode, special=False)
        generation = Generation(decode, readers_stay=readers_stay, prompt_tokens=len(row))
        return TokenizedText(self, text, _unless_same(read, text), (row,), values, generation)

    def _read(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts as the model reads them: what the owner's function returns for them.

        This is the one place where it is called. Raises InputError, as `Preprocess.read` does, and
        for a function that changes the number of gaps of fill-mask.
        """
        loaded = self.loaded
        if loaded.preprocess is None:
            return texts
        read = loaded.preprocess.read(texts)
        if mask := self.info.mask_token:
            for text, read_text in zip(texts, read, strict=True):
                if text.count(mask) != read_text.count(mask):
                    raise InputError(
                        f"The function {loaded.preprocess.name!r}, which reads the text first, "
                        f"changed {mask} in it. Its owner can have it leave {mask} as it is."
                    )
        return read

    def _read_conversation(self, text: str) -> str:
        """A conversation in JSON as the model reads it: the messages of its user are changed."""
        if self.loaded.preprocess is None:
            return text
        messages = conversation(text)
        users = [message["content"] for message in messages if message["role"] == "user"]
        read = iter(self._read(users))
        changed = [
            {**message, "content": next(read)} if message["role"] == "user" else message
            for message in messages
        ]
        return text if changed == messages else json.dumps(changed, ensure_ascii=False)

    def checked(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all parameters of the task; raises InputError."""
        values = checked(self.loaded.task.params, params, defaults=self.loaded.params)
        if values.get("temperature") and values["seed"] == 0:
            values["seed"] = random.randint(1, 2**31 - 1)  # noqa: S311 - it protects nothing
        return values

    # --- on the worker thread ---------------------------------------------------------------------

    def run(self, batch: Sequence[TokenizedText]) -> list[Computed]:
        """The logits of each text's rows, or the new ids of the only text, which is generated.

        Raises ModelError if the forward pass fails.
        """
        try:
            if generation := batch[0].generation:
                return [[] if generation.stopped else self._generate(batch[0], generation)]
            rows = [row for text in batch for row in text.rows]
            logits: dict[int, NDArray[np.float32]] = {}
            # All rows at once, unless a single text is larger than a batch.
            for indices in batches(list(map(len, rows)), max_tokens=self.max_batch_tokens):
                computed = self.loaded.runtime.forward([rows[i] for i in indices])
                logits |= zip(indices, computed, strict=True)
        except Exception as error:
            raise self._failure(error, len(batch)) from error
        in_order = iter(logits[i] for i in range(len(rows)))
        return [list(itertools.islice(in_order, len(text.rows))) for text in batch]

    def prediction(self, text: TokenizedText, computed: Computed, timing: Timing) -> Prediction:
        """The prediction of a text from the values that `run` computed for it.

        Raises ModelError if the task cannot turn them into an output.
        """
        try:
            output = self._output(text, computed)
        except Exception as error:
            raise self._failure(error, 1) from error
        return Prediction(
            id=new_id(),
            created_at=now(),
            task=self.info.task,
            model_id=self.info.id,
            model_revision=self.info.revision,
            runtime=self.info.runtime,
            params=text.params,
            input=text.text,
            read=text.read,
            output=output,
            truncated=text.truncated,
            queue_ms=timing.queue_ms,
            inference_ms=timing.inference_ms,
        )

    def _output(self, text: TokenizedText, computed: Computed) -> Output:
        if text.generation is None:
            read = text.text if text.read is None else text.read
            return self.loaded.task.output(read, text.rows, cast(Any, computed), text.params)
        ids = cast(list[int], computed)
        written = self.loaded.tokenizer.decode(ids, special=False)
        return GeneratedText(written, len(ids), self._finish(ids, text, text.generation))

    def _finish(self, ids: Sequence[int], text: TokenizedText, generation: Generation) -> Finish:
        if self._torch.ends(ids):
            return "end"
        if len(ids) == text.params["max_new_tokens"]:
            return "length"
        return "stopped" if generation.stopped or self._closing.is_set() else "end"

    @property
    def _torch(self) -> TorchRuntime:
        return cast(TorchRuntime, self.loaded.runtime)  # the only runtime that generates

    def _generate(self, text: TokenizedText, generation: Generation) -> list[int]:
        return self._torch.generate(
            text.rows[0],
            tokenizer=cast(TransformersTokenizer, self.loaded.tokenizer).raw,
            max_new_tokens=text.params["max_new_tokens"],
            temperature=text.params["temperature"],
            seed=text.params["seed"],
            goes_on=lambda ids: generation.goes_on(ids) and not self._closing.is_set(),
        )

    def _failure(self, error: Exception, texts: int) -> ModelError:
        if isinstance(error, ModelClosed):
            return error
        logger.exception("The model %s failed on %d texts", self.info.id, texts)
        reason = (
            "there is not enough memory for it. Shorten the text."
            if is_out_of_memory(error)
            else f"{first_line(error)} Try another text; the owner finds the details in the log."
        )
        return ModelError(f"The model {self.info.id!r} failed on this input: {reason}")


def _unless_same(read: str, text: str) -> str | None:
    return None if read == text else read
