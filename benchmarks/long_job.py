"""A job of millions of rows with a fake predictor, on the log of an app that somebody uses.

Reading and storing are on trial, so predicting costs nothing. Run as a process of its own:
python -m benchmarks.long_job ROWS FOLDER URL LOG CLICKS
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.batch import click_ms
from benchmarks.from_tests import write_rows
from benchmarks.texts import texts
from benchmarks.visitor import Visitor

WARM_UP = 10


def main(rows: int, folder: Path, url: str, log: str, clicks: int) -> dict[str, float]:
    """Milliseconds of a visitor's click alone and beside the job; its memory and rows a second."""
    source = write_rows(folder / "rows.csv", rows)
    inputs = texts(600)
    with Visitor(url) as visitor:
        click_ms(visitor, inputs[:WARM_UP])
        alone_ms = click_ms(visitor, inputs[:clicks])
        started_s = time.perf_counter()
        job = subprocess.Popen([sys.executable, "-m", "tests.helpers.fake_job", str(source), log])
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


if __name__ == "__main__":
    rows, folder, url, log, clicks = sys.argv[1:]
    print(json.dumps(main(int(rows), Path(folder), url, log, int(clicks))))
