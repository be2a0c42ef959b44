"""Figures with their keys, saved as they come, and no more of them than there is time for."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.running import brief, outcome

PATIENCE_S = 1.5  # of the rounds of a figure, of which there are two at least
OUT_OF_TIME = "skipped: out of time"


class Key(NamedTuple):
    """The place of a figure; `texts` is "short", "long" or "" for both."""

    model: str
    texts: str
    dtype: str
    name: str


class Meter:
    """Measures, prints and saves; a figure that fails or has no time left is a sentence."""

    def __init__(self, *, device: str, rounds: int, facts: Mapping[str, Any], file: Path) -> None:
        self.device = device
        self.rounds = rounds
        self.deadline_s = float("inf")  # of time.monotonic
        self.figures: dict[Key, Any] = {}
        self._facts = dict(facts)
        self._file = file
        self._started_s = time.monotonic()

    def measure(self, key: Key, run: Callable[[], Any]) -> None:
        """The value that `run` returns, or the reason why there is none."""
        is_late = time.monotonic() > self.deadline_s
        value = self.figures[key] = OUT_OF_TIME if is_late else outcome(run)
        passed_s = time.monotonic() - self._started_s
        print(f"{passed_s:4.0f} s  {', '.join(filter(None, key))}: {brief(value)}", flush=True)
        self._save()

    def rate(self, key: Key, run: Callable[[], object], count: int) -> None:
        """Texts a second of `run`, which predicts `count` texts: the median of several rounds.

        With its spread, which is the difference of the fastest and slowest round as a share of
        the median, and the most MB that torch had allocated on a GPU meanwhile.
        """
        self.measure(key, lambda: self._rate(run, count))

    def _rate(self, run: Callable[[], object], count: int) -> dict[str, float]:
        run()  # loads kernels, and tries some for each shape
        self.synchronize()
        if is_cuda := self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(self.device)
        times: list[float] = []
        while len(times) < self.rounds and (len(times) < 2 or sum(times) < PATIENCE_S):
            started_s = time.perf_counter()
            run()
            self.synchronize()
            times.append(time.perf_counter() - started_s)
        median_s = statistics.median(times)
        memory = (
            {"memory_mb": torch.cuda.max_memory_allocated(self.device) / 1e6} if is_cuda else {}
        )
        spread = (max(times) - min(times)) / median_s
        return {"texts_per_s": count / median_s, "spread": spread, "rounds": len(times)} | memory

    def synchronize(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)

    def _save(self) -> None:
        records = [key._asdict() | {"value": value} for key, value in self.figures.items()]
        text = json.dumps({**self._facts, "figures": records}, indent=1)
        new = self._file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._file)
