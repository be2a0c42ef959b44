"""Texts a second without any server, against transformers' pipeline and a bare loop.

Run as a process of its own: python -m benchmarks.offline TEXTS [FOLDER], the number of texts and
an export to ONNX. Prints its figures so far after each of them.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import pipeline

from benchmarks.running import TOO_SLOW, NotMeasured, outcome
from benchmarks.texts import texts
from model import Model
from model.runtimes import TorchRuntime
from model.runtimes.rows import batches, padded
from model.runtimes.trial import Trial, compare

BUNDLED = "model/bundled"
ROUNDS = 3
SLOW_S = 60  # what takes longer once is not measured


class Offline:
    """Rates by name, in texts a second; printed after each."""

    def __init__(self, inputs: list[str]) -> None:
        self._inputs = inputs
        self._rates: dict[str, float | str] = {}

    def measure(self, name: str, run: Callable[[], object]) -> None:
        """The best of three rounds, in turns with nothing else."""
        self.note(name, outcome(partial(self._rate, run)))

    def note(self, name: str, figure: float | str) -> None:
        self._rates[name] = figure
        print(json.dumps(self._rates), flush=True)

    def measure_model(self, name: str, model: Model) -> None:
        self.measure(f"Model.predict, {name}", partial(model.predict, self._inputs))
        self.measure(f"bare loop, {name}", partial(bare, model, self._inputs))
        self.note(f"batcher, {name}, ms", outcome(partial(batcher_ms, model, self._inputs)))

    def skip_model(self, name: str, why: str) -> None:
        for figure in ("Model.predict", "bare loop"):
            self.note(f"{figure}, {name}", why)

    def _rate(self, run: Callable[[], object]) -> float:
        warm_s = timed(run)
        if warm_s > SLOW_S:
            raise NotMeasured(f"{TOO_SLOW}: {len(self._inputs)} texts took {warm_s:.0f} s")
        return len(self._inputs) / min(timed(run) for _ in range(ROUNDS))


def main(count: int, export: str = "") -> None:
    inputs = texts(count)
    measured = Offline(inputs)
    theirs = pipeline("text-classification", model=BUNDLED, dtype=torch.float32, top_k=None)
    batched = partial(theirs, inputs, truncation=True, batch_size=32)
    measured.measure(
        "pipeline, one by one", lambda: [theirs([text], truncation=True) for text in inputs]
    )
    measured.measure("pipeline(batch_size=32)", batched)
    full = loaded(BUNDLED)
    measured.measure_model("float32", full)
    half = loaded(BUNDLED, dtype="bfloat16")
    asked = trial(full, half)
    full.close()
    if asked.passed:
        measured.measure_model("bfloat16", half)
    else:
        measured.skip_model("bfloat16", f"skipped: {asked}")
    half.close()
    if export:
        graph = loaded(export, runtime="onnx")
        measured.measure_model("onnx int8", graph)
        graph.close()


def loaded(model_id: str, **options: Any) -> Model:
    model = Model(model_id, device="cpu", **options)
    model.load()
    return model


def trial(full: Model, half: Model) -> Trial:
    """The trial by which `dtype = "auto"` decides: bfloat16 is slow where a CPU emulates it."""
    task, runtimes = full.loaded.task, (full.loaded.runtime, half.loaded.runtime)
    texts_of = [example.text for example in task.examples]
    rows = [row for rows in task.rows([texts_of[0], " ".join(texts_of)], {}) for row in rows]
    float32, bfloat16 = runtimes
    assert isinstance(float32, TorchRuntime)
    assert isinstance(bfloat16, TorchRuntime)
    return compare(float32, bfloat16, rows)


def batcher_ms(model: Model, inputs: list[str]) -> float:
    """The cost of a lone text on top of tokenizing it, its forward pass and its output."""
    task, forward = model.loaded.task, model.loaded.runtime.forward

    def bare(text: str) -> None:
        (rows,) = task.rows([text], {})
        task.output(text, rows, forward(rows), {})

    def submitted(text: str) -> None:
        model.submit(text).result()

    times: dict[str, list[float]] = {"bare": [], "batched": []}
    for text in inputs:
        times["bare"].append(timed(partial(bare, text)))
        times["batched"].append(timed(partial(submitted, text)))
    pairs = zip(times["batched"], times["bare"], strict=True)
    return statistics.median(batched - alone for batched, alone in pairs) * 1000


def timed(run: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    run()
    return time.perf_counter() - started_s


def bare(model: Model, inputs: list[str]) -> None:
    """The fastest loop by hand: sorted by length, batched by tokens, without outputs."""
    runtime: Any = model.loaded.runtime
    rows = [row for rows in model.loaded.task.rows(inputs, {}) for row in rows]
    for batch in batches([len(row) for row in rows], max_tokens=1024):
        chosen = [rows[i] for i in batch]
        takes, longest = {"input_ids", "attention_mask"}, max(map(len, chosen))
        arrays = padded(chosen, takes=takes, pad_id=0, longest=longest)
        if isinstance(runtime, TorchRuntime):
            torch.set_num_threads(runtime.threads_for(10**9))
            with torch.inference_mode():
                runtime.module(**{name: torch.from_numpy(ids) for name, ids in arrays.items()})
        else:
            types = {"token_type_ids": np.zeros_like(arrays["input_ids"])}
            runtime.session.run(["logits"], arrays | types)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
