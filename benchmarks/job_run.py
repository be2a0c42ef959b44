"""python -m jobs.batch run beside Model.predict and a loop over transformers' pipeline.

Run as a process of its own: python -m benchmarks.job_run ROWS FOLDER. Prints its figures so far
after each of them.
"""

import csv
import json
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import torch
from datasets import Dataset
from transformers import pipeline
from transformers.pipelines.pt_utils import KeyDataset

from benchmarks.job_names import LOOP, PREDICT, RUN
from benchmarks.offline import BUNDLED, loaded
from benchmarks.texts import repeated
from feedback import FeedbackLog
from files.sources import open_source
from jobs.batch import run
from jobs.batch.plan import Plan
from model import Model

ROUNDS = 2
PIPELINE_ROWS = 1000  # of each round, as it is slow
MAX_CHARS = 10_000


def main(rows: int, folder: Path) -> None:
    """Prints texts a second by name, and the ratios of the run: medians of rounds in turns."""
    texts = repeated(rows)
    source = folder / "rows.csv"
    with source.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([["id", "text"], *enumerate(texts)])
    log = FeedbackLog(f"sqlite:///{folder / 'job.db'}")
    model = loaded(BUNDLED, dtype="auto")
    model.warm_up()
    names = iter(range(ROUNDS))
    ways: dict[str, Callable[[], int]] = {
        PREDICT: lambda: len(model.predict(texts)),
        RUN: lambda: stored(log, model, source, f"round {next(names)}"),
        LOOP: lambda: looped(model, texts[:PIPELINE_ROWS]),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started_s = time.perf_counter()
            done = way()
            rates[name].append(done / (time.perf_counter() - started_s))
            print(json.dumps(summed_up(rates, model, rows)), flush=True)
    log.close()


def summed_up(rates: dict[str, list[float]], model: Model, rows: int) -> dict[str, float | str]:
    medians = {name: statistics.median(each) for name, each in rates.items() if each}
    figures: dict[str, float | str] = {"rows": rows, "dtype": model.info.dtype, **medians}
    for name in (PREDICT, LOOP):
        if name in medians and RUN in medians:
            figures[f"run / {name}"] = medians[RUN] / medians[name]
    return figures


def stored(log: FeedbackLog, model: Model, source: Path, name: str) -> int:
    """The rows that a job stored."""
    rows = open_source([str(source)], text_column="text", key_column="id")
    counts = run(rows, log, model, Plan(), name=name, max_chars=MAX_CHARS)
    return counts.stored.new


def looped(model: Model, texts: list[str]) -> int:
    """The outputs of a pipeline over a dataset, as its documentation has it.

    https://huggingface.co/docs/transformers/main_classes/pipelines#pipeline-batching
    """
    theirs = pipeline(
        "text-classification", model=BUNDLED, dtype=getattr(torch, model.info.dtype), top_k=None
    )
    dataset = Dataset.from_dict({"text": texts})
    deque(theirs(KeyDataset(dataset, "text"), truncation=True), maxlen=0)
    return len(texts)


if __name__ == "__main__":
    rows, folder = sys.argv[1:]
    main(int(rows), Path(folder))
