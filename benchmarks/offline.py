"""Texts a second without any server, against transformers' pipeline and a bare loop.

Run as a process of its own: python -m benchmarks.offline FOLDER, with an export to ONNX in it.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import pipeline

from benchmarks.texts import texts
from model import Model
from model.runtimes import TorchRuntime
from model.runtimes.rows import batches, padded

BUNDLED = "model/bundled"
ROUNDS = 3


def main(export: str) -> dict[str, float]:
    """Texts a second by name; the better of three rounds, in turns with nothing else."""
    every = texts(600)
    rates: dict[str, float] = {}

    def measure(name: str, run: Callable[[], object]) -> None:
        run()  # warm
        best_s = min(timed(run) for _ in range(ROUNDS))
        rates[name] = len(every) / best_s

    theirs = pipeline("text-classification", model=BUNDLED, dtype=torch.float32, top_k=None)
    measure("pipeline, one by one", lambda: [theirs([t], truncation=True) for t in every])
    measure("pipeline(batch_size=32)", lambda: theirs(every, truncation=True, batch_size=32))
    how: dict[str, dict[str, Any]] = {
        "float32": {},
        "bfloat16": {"dtype": "bfloat16"},
        "onnx int8": {"runtime": "onnx"},
    }
    for name, options in how.items():
        model = Model(export if name == "onnx int8" else BUNDLED, device="cpu", **options)
        model.load()
        measure(f"Model.predict, {name}", lambda model=model: model.predict(every))  # type: ignore[misc]
        measure(f"bare loop, {name}", lambda model=model: bare(model, every))  # type: ignore[misc]
        rates[f"batcher, {name}, ms"] = batcher_ms(model, every)
        model.close()
    return rates


def batcher_ms(model: Model, every: list[str]) -> float:
    """What a lone text costs on top of tokenizing it, its forward pass and its output."""
    task, forward = model.loaded.task, model.loaded.runtime.forward

    def bare(text: str) -> None:
        (rows,) = task.rows([text], {})
        task.output(text, rows, forward(rows), {})

    times: dict[str, list[float]] = {"bare": [], "batched": []}
    for text in every:
        times["bare"].append(timed(lambda text=text: bare(text)))  # type: ignore[misc]
        times["batched"].append(timed(lambda text=text: model.submit(text).result()))  # type: ignore[misc]
    pairs = zip(times["batched"], times["bare"], strict=True)
    return statistics.median(batched - alone for batched, alone in pairs) * 1000


def timed(run: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    run()
    return time.perf_counter() - started_s


def bare(model: Model, every: list[str]) -> None:
    """What is fastest by hand: sorted by length, batched by tokens, and nothing made of it."""
    runtime: Any = model.loaded.runtime
    rows = [row for rows in model.loaded.task.rows(every, {}) for row in rows]
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
    print(json.dumps(main(sys.argv[1])))
