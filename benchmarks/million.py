"""The log at a million rows: insights, the page's table with any filter, storing, exporting.

Run as a process of its own: python -m benchmarks.million FILE [ROWS]. Prints its figures so far
after each of them.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import sqlalchemy as sa

from benchmarks.running import outcome
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
SLOWEST_INSIGHT, SLOWEST_TABLE = "slowest insight, ms", "slowest filtered table, ms"
RECORD, RATE = "record a prediction, ms", "record a rating, ms"
EXPORT, EXPORT_MB = "export, rows/s", "export, MB of memory on top"
LABELS = tuple(f"label {letter}" for letter in "abcdefghijklmnopqrst")
START = datetime(2026, 1, 1, tzinfo=UTC)


def main(file: Path, rows: int = ROWS) -> None:
    """Prints milliseconds, rows a second and megabytes by name."""
    url = f"sqlite:///{file}"
    fill(url, rows)
    log = FeedbackLog(url)
    steps: tuple[tuple[Sequence[str], Callable[[], dict[str, float]]], ...] = (
        ((RECORD, RATE), partial(storing, log, rows)),
        ((EXPORT, EXPORT_MB), partial(export, log)),
        ((SLOWEST_INSIGHT,), partial(slowest, SLOWEST_INSIGHT, every_insight(log))),
        ((SLOWEST_TABLE,), partial(slowest, SLOWEST_TABLE, every_table(log))),
    )
    measured: dict[str, float | str] = {}
    for names, measure in steps:
        figures = outcome(measure)
        measured |= dict.fromkeys(names, figures) if isinstance(figures, str) else figures
        print(json.dumps(measured), flush=True)
    log.close()


def storing(log: FeedbackLog, rows: int) -> dict[str, float]:
    """The median time of a new prediction, and of a rating of it."""
    record_ms, rate_ms = [], []
    for number in range(CLICKS):
        entry = drawn(number, number, rows)
        rating = Rating(
            id=new_id(),
            prediction_id=entry.prediction.id,
            created_at=now(),
            reviewer="Ada",
            verdict="up",
        )
        record_ms.append(timed_ms(partial(log.record, entry)))
        rate_ms.append(timed_ms(partial(log.rate, rating)))
    return {RECORD: statistics.median(record_ms), RATE: statistics.median(rate_ms)}


def slowest(name: str, questions: Iterable[Callable[[], object]]) -> dict[str, float]:
    return {name: max(map(times_ms, questions))}


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


def every_table(log: FeedbackLog) -> Iterator[Callable[[], object]]:
    for chosen in every_filter(log):
        yield partial(table, log, chosen)


def every_filter(log: FeedbackLog) -> Iterator[Filter]:
    """The rows of each kind of mark: all, of the oldest model, narrowed further, with a text."""
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
    """The page's questions: the number of rows, and the last of those it can page to."""
    found = log.count(chosen, limit=MAX_ROWS + 1)
    if found:
        log.page(chosen, offset=max(0, min(found, MAX_ROWS) - PAGE_ROWS), limit=PAGE_ROWS)


def export(log: FeedbackLog) -> dict[str, float]:
    process, rows, most = psutil.Process(), 0, 0
    before = process.memory_info().rss
    started_s = time.perf_counter()
    for number, chunk in enumerate(export_csv(log, unrated=True)):
        rows += chunk.count(b"\n")
        if number % 100 == 0:
            most = max(most, process.memory_info().rss - before)
    return {EXPORT: rows / (time.perf_counter() - started_s), EXPORT_MB: most / 1e6}


def fill(url: str, rows: int) -> None:
    """Stores predictions of half a year, nine in ten rated, some up to three times."""
    FeedbackLog(url).close()
    database = Database(url)
    with database.connect(write=True) as connection:
        for first in range(0, rows, CHUNK):
            numbers = range(first, min(first + CHUNK, rows))
            draw = random.Random(first)
            entries = [drawn(number, draw.random(), rows) for number in numbers]
            connection.execute(sa.insert(predictions), [entry_values(entry) for entry in entries])
            connection.execute(sa.insert(ratings), list(judged(entries, draw)))
        rebuild(connection)
    database.close()


def drawn(number: int, seed: float, rows: int) -> Entry:
    """A prediction of one of four models: three tenths each, and the newest the last tenth."""
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
        model_revision=f"r{number // (rows * 3 // 10)}",
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
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
