"""A job of many rows with the fake predictor, for which reading and storing are all the work.

Run as a process of its own: python -m tests.helpers.fake_job SOURCE LOG_URL.
"""

import csv
import random
import sys
from pathlib import Path

from feedback import FeedbackLog
from files.sources import open_source
from jobs.batch import run
from jobs.batch.plan import Plan
from tests.helpers.predictor import FakePredictor

SEED = 7
WORDS = "a battery bad day good hate love never nobody of phone service the works".split()  # noqa: SIM905


def write(file: Path, rows: int) -> Path:
    """A CSV file of so many rows, each with another key and text."""
    chance = random.Random(SEED)
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["id", "text"])
        writer.writerows(
            (f"row-{number}", f"{number} {' '.join(chance.choices(WORDS, k=12))}")
            for number in range(rows)
        )
    return file


def main(source: str, log_url: str) -> None:
    model, log = FakePredictor(), FeedbackLog(log_url)
    model.load()
    rows = open_source([source], text_column="text", key_column="id")
    print(run(rows, log, model, Plan(), name="long job", max_chars=10_000))
    log.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
