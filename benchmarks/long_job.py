"""A job of millions of rows with a fake predictor, on the log of an app that somebody uses.

Reading and storing are on trial, so predicting costs nothing. Run as a process of its own:
python -m benchmarks.long_job ROWS FOLDER URL LOG CLICKS
"""

import csv
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.batch import click_ms
from benchmarks.texts import texts
from benchmarks.visitor import Visitor

WARM_UP = 10
SEED = 7


def main(rows: int, folder: Path, url: str, log: str, clicks: int) -> dict[str, float]:
    """Milliseconds of a visitor's click alone and beside the job; its memory and rows a second."""
    source = folder / "rows.csv"
    write(source, rows)
    inputs = texts(600)
    with Visitor(url) as visitor:
        click_ms(visitor, inputs[:WARM_UP])
        alone_ms = click_ms(visitor, inputs[:clicks])
        started_s = time.perf_counter()
        job = subprocess.Popen([sys.executable, "-m", "benchmarks.long_job", str(source), log])
        memory_mb: list[tuple[float, float]] = []
        beside_ms: list[float] = []
        while job.poll() is None:
            if len(beside_ms) < clicks:
                beside_ms.append(click_ms(visitor, [random.choice(inputs)]))
            time.sleep(0.5)
            try:
                used = psutil.Process(job.pid).memory_full_info().uss / 1e6
            except psutil.NoSuchProcess:
                break
            memory_mb.append((time.perf_counter() - started_s, used))
        took_s = time.perf_counter() - started_s
    second = [mb for at_s, mb in memory_mb if 60 <= at_s < 120]
    last = [mb for at_s, mb in memory_mb if at_s >= took_s - 60]
    return {
        "rows": rows,
        "rows_per_s": rows / took_s,
        "alone_ms": alone_ms,
        "beside_ms": sorted(beside_ms)[len(beside_ms) // 2],
        "memory_2nd_minute_mb": max(second, default=0.0),
        "memory_last_minute_mb": max(last, default=0.0),
        "exit": float(job.returncode or 0),
    }


def write(file: Path, rows: int) -> None:
    """A CSV file of so many rows, each with another key and text."""
    chance, words = random.Random(SEED), " ".join(texts(50)).split()
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["id", "text"])
        writer.writerows(generated(rows, chance, words))


def generated(rows: int, chance: random.Random, words: list[str]) -> Iterator[tuple[str, str]]:
    for number in range(rows):
        yield f"row-{number}", f"{number} {' '.join(chance.choices(words, k=12))}"


def job(source: str, log_url: str) -> None:
    """Runs the job in this process."""
    from benchmarks.from_tests import FakePredictor
    from feedback import FeedbackLog
    from files.sources import open_source
    from jobs.batch import run
    from jobs.batch.plan import Plan

    model, log = FakePredictor(), FeedbackLog(log_url)
    model.load()
    rows = open_source([source], text_column="text", key_column="id")
    counts = run(rows, log, model, Plan(), name="long job", max_chars=10_000)
    log.close()
    print(counts, file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        job(*sys.argv[1:])
    else:
        rows, folder, url, log, clicks = sys.argv[1:]
        print(json.dumps(main(int(rows), Path(folder), url, log, int(clicks))))
