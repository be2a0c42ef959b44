"""The ways to predict that are compared, and changes of those that the batcher or runtime decides.

Each is complete when it returns: the logits are on the CPU.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model import Model
from model.runtimes import TorchRuntime
from model.runtimes.rows import padded
from model.tokenizer import TokenRow

BATCH = 32  # texts, in the bare loop and the pipeline


def bare(model: Model, texts: Sequence[str]) -> None:
    """The loop that a user writes: sorted by characters, transformers' tokenizer, 32 at a time."""
    inner: Any = model.loaded
    by_length = sorted(texts, key=len)
    for start in range(0, len(by_length), BATCH):
        chosen = by_length[start : start + BATCH]
        inputs = inner.tokenizer.raw(chosen, padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            logits = inner.runtime.module(**inputs.to(inner.runtime.device)).logits
            logits.float().softmax(-1).cpu()


def rows_of(model: Model, texts: Sequence[str]) -> list[TokenRow]:
    """The rows of all texts."""
    return [row for rows in model.loaded.task.rows(texts, {}) for row in rows]


def loop(
    runtime: TorchRuntime,
    rows: Sequence[TokenRow],
    grouped: Sequence[Sequence[int]],
    *,
    multiple: int = 1,
    pinned: bool = False,
    behind: int = 0,
) -> NDArray[np.float32]:
    """The logits of all rows, (rows, labels), by a loop over the batches `grouped`.

    The padded length is a multiple of `multiple` tokens. `pinned` copies from pinned memory
    without waiting. The logits of a batch are fetched when `behind` more batches are begun.
    """
    waiting: list[torch.Tensor] = []
    fetched: list[torch.Tensor] = []
    for batch in grouped:
        chosen = [rows[i] for i in batch]
        waiting.append(_forward(runtime, chosen, multiple=multiple, pinned=pinned))
        if len(waiting) > behind:
            fetched.append(waiting.pop(0).cpu())
    fetched += [logits.cpu() for logits in waiting]
    logits = np.empty((len(rows), fetched[0].shape[-1]), dtype=np.float32)
    for batch, computed in zip(grouped, fetched, strict=True):
        logits[list(batch)] = computed.numpy()
    return logits


def _forward(
    runtime: TorchRuntime, rows: Sequence[TokenRow], *, multiple: int, pinned: bool
) -> torch.Tensor:
    longest = max(map(len, rows))
    length = min(-(-longest // multiple) * multiple, max(longest, runtime.max_positions))
    arrays = padded(rows, takes=set(rows[0].inputs), pad_id=runtime.pad_id, longest=length)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if pinned:
        tensors = {name: tensor.pin_memory() for name, tensor in tensors.items()}
    inputs = {
        name: tensor.to(runtime.device, non_blocking=pinned) for name, tensor in tensors.items()
    }
    with torch.inference_mode():
        logits: torch.Tensor = runtime.module(**inputs).logits.float()
    return logits


@contextmanager
def budget(model: Model, tokens: int) -> Iterator[None]:
    """Has the model form batches of so many padded tokens at most."""
    inner: Any = model
    inference, batcher = inner._inference, inner._batcher
    before = inference.max_batch_tokens
    inference.max_batch_tokens = batcher.max_batch_tokens = tokens
    try:
        yield
    finally:
        inference.max_batch_tokens = batcher.max_batch_tokens = before


def default_budget(model: Model) -> int:
    """The most padded tokens of a batch, as the model chose it."""
    inner: Any = model
    return int(inner._inference.max_batch_tokens)


@contextmanager
def tf32() -> Iterator[None]:
    """Has torch multiply float32 matrices with 10 bits of the mantissa instead of 23."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def lone_ms(model: Model, text: str) -> float:
    """Milliseconds of a text by hand: tokenizer, forward pass, output."""
    task, forward = model.loaded.task, model.loaded.runtime.forward
    started_s = time.perf_counter()
    (rows,) = task.rows([text], {})
    task.output(text, rows, forward(rows), {})
    return (time.perf_counter() - started_s) * 1000


def submitted_ms(model: Model, text: str) -> float:
    """Milliseconds of a text that is submitted, until its prediction is there."""
    started_s = time.perf_counter()
    model.submit(text).result()
    return (time.perf_counter() - started_s) * 1000


def callers(model: Model, texts: Sequence[str], *, count: int) -> dict[str, float]:
    """Texts a second and their latencies, of `count` threads that submit a text at a time."""
    ready = threading.Barrier(count)

    def call(share: Sequence[str]) -> list[float]:
        ready.wait()
        return [submitted_ms(model, text) for text in share]

    with ThreadPoolExecutor(count) as pool:
        started_s = time.perf_counter()
        shares = list(pool.map(call, [texts[i::count] for i in range(count)]))
        took_s = time.perf_counter() - started_s
    times = [ms for share in shares for ms in share]
    return {
        "texts_per_s": len(times) / took_s,
        "median_ms": float(np.median(times)),
        "p95_ms": float(np.percentile(times, 95)),
    }
