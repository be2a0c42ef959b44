"""The log at a million rows: insights, the page's table with any filter, storing, exporting.

Run as a process of its own: python -m benchmarks.million FILE
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import sqlalchemy as sa

from benchmarks.texts import texts
from feedback import Entry, FeedbackLog, Rating, export_csv, insights, records
from feedback.database import Database
from feedback.filters import Filter
from feedback.records import entry_values
from feedback.tables import predictions, ratings
from feedback.totals import rebuild
from model.prediction import Prediction, ScoredLabel, ScoredLabels, new_id, now

ROWS = 1_000_000
CHUNK = 10_000
CLICKS = 200
PAGE_ROWS, MAX_ROWS = 20, 10_000  # of the page's table
LABELS = tuple(f"label {letter}" for letter in "abcdefghijklmnopqrst")
START = datetime(2026, 1, 1, tzinfo=UTC)


def main(file: Path) -> dict[str, float]:
    """Milliseconds, rows a second and megabytes by name."""
    url = f"sqlite:///{file}"
    fill(url)
    log = FeedbackLog(url)
    record_ms, rate_ms = [], []
    for number in range(CLICKS):
        entry = drawn(number, number)
        rating = Rating(
            id=new_id(),
            prediction_id=entry.prediction.id,
            created_at=now(),
            reviewer="Ada",
            verdict="up",
        )
        record_ms.append(timed_ms(lambda entry=entry: log.record(entry)))  # type: ignore[misc]
        rate_ms.append(timed_ms(lambda rating=rating: log.rate(rating)))  # type: ignore[misc]
    rows_per_s, most_mb = export(log)
    slowest = {
        "slowest insight, ms": max(times_ms(insight) for insight in every_insight(log)),
        "slowest filtered table, ms": max(
            times_ms(partial(table, log, chosen)) for chosen in every_filter(log)
        ),
    }
    log.close()
    return {
        **slowest,
        "record a prediction, ms": statistics.median(record_ms),
        "record a rating, ms": statistics.median(rate_ms),
        "export, rows/s": rows_per_s,
        "export, MB of memory on top": most_mb,
    }


def timed_ms(run: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    run()
    return (time.perf_counter() - started_s) * 1000


def times_ms(run: Callable[[], object]) -> float:
    return statistics.median(timed_ms(run) for _ in range(3))


def every_insight(log: FeedbackLog) -> Iterator[Callable[[], object]]:
    """Each with all its questions to the log, over all models, and over the oldest and the newest,
    which has the fewest ratings."""
    yield partial(insights.revisions, log)
    yield partial(insights.reviewing, log)
    newest, *_, oldest = insights.revisions(log)
    for of in (None, oldest, newest):
        for question in (
            insights.by_day,
            partial(insights.drawn_by_chance, share=0.2),
            insights.reliability,
            insights.blind,
            insights.surest_mistakes,
            partial(insights.by_output, limit=20),
            partial(insights.by_truth, limit=20),
            partial(insights.confusion, limit=12),
        ):
            yield partial(question, log, of)
        yield partial(log.mistakes, of, limit=20)


def every_filter(log: FeedbackLog) -> Iterator[Filter]:
    """What is behind each kind of mark: all, of the oldest model, narrowed further, with a text."""
    first, second, *_ = LABELS
    marks = (
        Filter(rated=True),
        Filter(rated=True, label=first),
        Filter(rated=True, truth=first),
        Filter(rated=True, label=first, truth=second),
        Filter(rated=True, tenth=0),
        Filter(rated=True, tenth=9),
        Filter(rated=True, day=START.date(), verdict="down"),
        Filter(rated=True, blind=True),
        Filter(rated=True, blind=False),
        Filter(rated=True, drawn_to=int(0.2 * records.DRAWS)),
        Filter(rated=True, disputed=True),
    )
    oldest = list(insights.revisions(log))[-1]
    for mark in marks:
        yield mark
        yield replace(mark, revision=oldest)
        yield replace(mark, verdict=mark.verdict or "up", label=mark.label or first)
        yield replace(mark, text="in no text at all")


def table(log: FeedbackLog, chosen: Filter) -> None:
    """What the page asks: how many rows there are, and the last of those it can page to."""
    found = log.count(chosen, limit=MAX_ROWS + 1)
    if found:
        log.page(chosen, offset=max(0, min(found, MAX_ROWS) - PAGE_ROWS), limit=PAGE_ROWS)


def export(log: FeedbackLog) -> tuple[float, float]:
    process, rows, most = psutil.Process(), 0, 0
    before = process.memory_info().rss
    started_s = time.perf_counter()
    for number, chunk in enumerate(export_csv(log, unrated=True)):
        rows += chunk.count(b"\n")
        if number % 100 == 0:
            most = max(most, process.memory_info().rss - before)
    return rows / (time.perf_counter() - started_s), most / 1e6


def fill(url: str) -> None:
    """A million predictions of half a year, nine in ten rated, some up to three times."""
    FeedbackLog(url).close()
    database = Database(url)
    with database.connect(write=True) as connection:
        for first in range(0, ROWS, CHUNK):
            numbers = range(first, min(first + CHUNK, ROWS))
            draw = random.Random(first)
            entries = [drawn(number, draw.random()) for number in numbers]
            connection.execute(sa.insert(predictions), [entry_values(one) for one in entries])
            connection.execute(sa.insert(ratings), list(judged(entries, draw)))
        rebuild(connection)
    database.close()


def drawn(number: int, seed: float) -> Entry:
    draw = random.Random(seed)
    first, second = 0.5 + draw.random() / 2, draw.random() / 4
    names, every = draw.sample(LABELS, 3), texts(600)
    scores = zip(names, (first, second, 0.0), strict=True)
    made_at = START + timedelta(seconds=15 * number)
    prediction = Prediction(
        id=_id(made_at, draw),
        created_at=made_at,
        task="text-classification",
        model_id="model/bundled",
        model_revision=f"r{number // 300_000}",
        runtime="torch",
        params={},
        input=every[number % len(every)],
        output=ScoredLabels(tuple(ScoredLabel(name, score) for name, score in scores)),
        truncated=False,
        queue_ms=0.2,
        inference_ms=7.5,
    )
    return Entry(prediction=prediction, source="page", session_id=f"s{number % 5000}")


def judged(entries: list[Entry], draw: random.Random) -> Iterator[dict[str, Any]]:
    for entry in entries:
        first = draw.randrange(50)
        by_chance = records.drawn(entry.prediction.id) < 0.2 * records.DRAWS
        for more in range(draw.choices((0, 1, 2, 3), (10, 80, 7, 3))[0]):
            made_at = entry.prediction.created_at + timedelta(seconds=5 + more)
            is_up = draw.random() < 0.8
            yield {
                "id": _id(made_at, draw),
                "prediction_id": entry.prediction.id,
                "created_at": made_at,
                "reviewer": f"reviewer {first + more}",
                "verdict": "up" if is_up else "down",
                "correction": "" if is_up else draw.choice(("", *LABELS)),
                "comment": "",
                "blind": draw.random() < 0.1,
                "retracted": False,
                "sampling": draw.choice(("", "random" if by_chance else "margin")),
            }


def _id(made_at: datetime, draw: random.Random) -> UUID:
    """A UUIDv7 of that moment."""
    ms = int(made_at.timestamp() * 1000)
    return UUID(
        int=ms << 80 | 7 << 76 | draw.getrandbits(12) << 64 | 2 << 62 | draw.getrandbits(62)
    )


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
