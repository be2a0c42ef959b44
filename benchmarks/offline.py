"""Texts a second without any server, against transformers' pipeline and a bare loop.

Run as a process of its own: python -m benchmarks.offline
"""

import json
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import pipeline

from benchmarks.texts import texts
from model import Model
from model.model import batches

BUNDLED = "model/bundled"
ROUNDS = 3


def main() -> dict[str, float]:
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
    for dtype in ("float32", "bfloat16"):
        model = Model(BUNDLED, dtype=dtype, device="cpu")
        model.load()
        measure(f"Model.predict, {dtype}", lambda model=model: model.predict(every))  # type: ignore[misc]
        measure(f"bare loop, {dtype}", lambda model=model: bare(model, every))  # type: ignore[misc]
        model.close()
    return rates


def timed(run: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    run()
    return time.perf_counter() - started_s


def bare(model: Model, every: list[str]) -> None:
    """What is fastest by hand: sorted by length, batched by tokens, and nothing made of it."""
    runtime: Any = model.loaded.runtime
    torch.set_num_threads(runtime._threads)
    rows = [row for rows in model.loaded.task.rows(every, {}) for row in rows]
    for batch in batches([len(row) for row in rows], max_tokens=1024):
        chosen = [rows[i].ids for i in batch]
        longest = max(map(len, chosen))
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in chosen])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in chosen])
        with torch.inference_mode():
            runtime.module(input_ids=ids, attention_mask=mask)


if __name__ == "__main__":
    print(json.dumps(main()))
