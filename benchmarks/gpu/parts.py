"""The figures of a model: every dtype against its peers, and changes of batches and transfers."""

import gc
import statistics
import sys
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any, cast

import numpy as np
import torch
from transformers import pipeline

from benchmarks.gpu import loops
from benchmarks.gpu.meter import Key, Meter
from benchmarks.gpu.models import Candidate
from benchmarks.running import outcome
from benchmarks.texts import long_texts, repeated
from model import Model, Prediction
from model.runtimes import TorchRuntime
from model.runtimes.rows import batches

DTYPES = ("float32", "bfloat16", "float16")
CHANGED = "bfloat16"  # the dtype of all changes, which "auto" takes on a GPU
TF32 = "float32, TF32"
BUDGETS = (1024, 4096, 8192, 16384, 65536)  # padded tokens of a batch
BUDGET = 8192  # of the other changes
MULTIPLES = (1, 8, 16, 64)
TRANSFERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "pinned": {"pinned": True},
    "pinned, logits a batch later": {"pinned": True, "behind": 1},
}
CALLERS = 64
PER_CALLER = 10  # texts
SINGLES = 60  # texts, one at a time
ON_CPU = (32, 4)  # short and long texts that a CPU predicts too


class Parts:
    """Measures a model from its folder, with a `Model` for each dtype."""

    def __init__(self, meter: Meter, candidate: Candidate, model_id: str) -> None:
        self._meter = meter
        self._name = candidate.name
        self._model_id = model_id
        self._texts = {"short": repeated(candidate.short), "long": long_texts(candidate.long)}
        self._float32: Sequence[Prediction] = ()

    def measure(self) -> None:
        """All figures of each dtype; where one cannot be loaded, the others are measured."""
        for dtype in DTYPES:
            model = Model(self._model_id, device=self._meter.device, dtype=dtype)
            loaded = self._key("", dtype, "loaded")
            self._meter.measure(loaded, partial(_loaded, model))
            if isinstance(self._meter.figures[loaded], str):
                continue
            if reason := outcome(partial(self._compare, model, dtype)):
                print(f"{self._name}, {dtype}: {reason}", file=sys.stderr)
            model.close()
            del model
            gc.collect()
            if self._meter.device.startswith("cuda"):
                torch.cuda.empty_cache()

    def _key(self, texts: str, dtype: str, name: str) -> Key:
        return Key(self._name, texts, dtype, name)

    def _compare(self, model: Model, dtype: str) -> None:
        # A lone text counts as a visitor, for whom batches stay small: those come last.
        for name, texts in self._texts.items():
            self._rate(name, dtype, "bare loop", partial(loops.bare, model, texts), len(texts))
            self._rate(name, dtype, "Model.predict", partial(model.predict, texts), len(texts))
            self._pipeline(model, name, dtype)
        self._agreement(model, dtype)
        if dtype == "float32":
            self._meter.measure(self._key("", dtype, "on a CPU"), partial(self._on_cpu, model))
            if self._meter.device.startswith("cuda"):
                self._tf32(model)
        if dtype == CHANGED:
            self._changes(model)
        self._visitors(model, dtype)

    def _rate(self, texts: str, dtype: str, name: str, run: Any, count: int) -> None:
        self._meter.rate(self._key(texts, dtype, name), run, count)

    def _pipeline(self, model: Model, name: str, dtype: str) -> None:
        """The pipeline with the same weights in memory, on a third of the texts."""
        inner: Any = model.loaded
        texts = self._texts[name][: max(loops.BATCH, len(self._texts[name]) // 3)]
        theirs = pipeline(
            "text-classification",
            model=inner.runtime.module,
            tokenizer=inner.tokenizer.raw,
            device=self._meter.device,
            top_k=None,
        )
        run = partial(theirs, texts, truncation=True, batch_size=loops.BATCH)
        self._rate(name, dtype, "pipeline", run, len(texts))

    # --- the same answers -------------------------------------------------------------------------

    def _agreement(self, model: Model, dtype: str) -> None:
        """The share of the labels of float32, and the largest difference of a score."""
        sample = [*self._texts["short"][:600], *self._texts["long"][:60]]

        def agreement() -> dict[str, float]:
            predictions = model.predict(sample)
            if dtype == "float32":
                self._float32 = predictions
            return compared(self._float32, predictions)

        self._meter.measure(self._key("", dtype, "agreement"), agreement)

    def _on_cpu(self, model: Model) -> dict[str, float]:
        short, long = ON_CPU
        texts = [*self._texts["short"][:short], *self._texts["long"][:long]]
        cpu = Model(self._model_id, device="cpu", dtype="float32")
        cpu.load()
        try:
            return compared(cpu.predict(texts), model.predict(texts))
        finally:
            cpu.close()

    def _tf32(self, model: Model) -> None:
        with loops.tf32():
            for name, texts in self._texts.items():
                self._rate(name, TF32, "bare loop", partial(loops.bare, model, texts), len(texts))
                self._rate(name, TF32, "Model.predict", partial(model.predict, texts), len(texts))
            self._agreement(model, TF32)

    # --- changes of what batcher and runtime decide -----------------------------------------------

    def _changes(self, model: Model) -> None:
        runtime = cast(TorchRuntime, model.loaded.runtime)
        on_gpu = self._meter.device.startswith("cuda")
        for (name, texts), tokens in product(self._texts.items(), BUDGETS):
            with loops.budget(model, tokens):
                predict = partial(model.predict, texts)
                self._rate(name, CHANGED, f"budget {tokens}", predict, len(texts))
        for name, texts in self._texts.items():
            self._rate(name, CHANGED, "tokenizer", partial(loops.rows_of, model, texts), len(texts))
            rows = loops.rows_of(model, texts)
            lengths = list(map(len, rows))
            at = partial(batches, lengths)
            forward = partial(loops.loop, runtime, rows)
            for tokens in BUDGETS:
                run = partial(forward, at(max_tokens=tokens))
                self._rate(name, CHANGED, f"forward {tokens}", run, len(texts))
            grouped = at(max_tokens=BUDGET)
            for multiple in MULTIPLES:
                run = partial(forward, grouped, multiple=multiple)
                self._rate(name, CHANGED, f"multiple {multiple}", run, len(texts))
            for transfer, options in TRANSFERS.items() if on_gpu else ():
                run = partial(forward, grouped, **options)
                self._rate(name, CHANGED, transfer, run, len(texts))

    # --- texts that come one at a time ------------------------------------------------------------

    def _visitors(self, model: Model, dtype: str) -> None:
        for name, texts in self._texts.items():
            alone = partial(_alone, model, texts[:SINGLES])
            self._meter.measure(self._key(name, dtype, "one text"), alone)
        texts = repeated(CALLERS * PER_CALLER)
        run = partial(loops.callers, model, texts, count=CALLERS)
        self._meter.measure(self._key("short", dtype, "callers"), run)
        with loops.budget(model, BUDGET):
            self._meter.measure(self._key("short", dtype, f"callers {BUDGET}"), run)


def _loaded(model: Model) -> dict[str, float]:
    model.load()
    return {"memory_mb": model.info.memory_bytes / 1e6, "parameters": model.info.parameters}


def _alone(model: Model, texts: Sequence[str]) -> dict[str, float]:
    """Milliseconds of texts one at a time, by hand and submitted, in turns."""
    by_hand, submitted = [], []
    for text in [*[texts[0]] * 3, *texts]:  # the first three to warm up
        by_hand.append(loops.lone_ms(model, text))
        submitted.append(loops.submitted_ms(model, text))
    return {
        "by_hand_ms": statistics.median(by_hand[3:]),
        "median_ms": statistics.median(submitted[3:]),
        "p95_ms": float(np.percentile(submitted[3:], 95)),
    }


def compared(ours: Sequence[Prediction], theirs: Sequence[Prediction]) -> dict[str, float]:
    """The share of texts with the same answer, and the largest difference of a probability."""
    outputs = [(a.output, b.output) for a, b in zip(ours, theirs, strict=True)]
    differences = [abs(a.scores[key] - b.scores[key]) for a, b in outputs for key in a.scores]
    same = sum(a.answer == b.answer for a, b in outputs)
    return {"same": same / len(outputs), "difference": max(differences)}
