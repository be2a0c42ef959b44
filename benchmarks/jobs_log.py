"""The log at millions of predictions of a job: storing, lookups, and the pages' questions.

Run as a process of its own: python -m benchmarks.jobs_log URL [ROWS ...]. Prints its figures so far
after each of them. Between the sizes the database fills its tables by itself, as a job of that size
leaves them, and then 50,000 predictions are stored and looked up in the usual way. Keys are in
random order, which is the worst for an index.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import sqlalchemy as sa

from benchmarks.million import drawn, every_filter, every_insight, fill, table, times_ms
from feedback import FeedbackLog
from feedback.jobs import (
    Job,
    JobRow,
    by_keys,
    by_text,
    distribution,
    exported,
    history,
    open_job,
    store,
    summary,
)
from feedback.jobs.storing import COPIED_ROWS
from feedback.review_queue import to_review
from feedback.tables import job_predictions, jobs
from model.prediction import Prediction, new_id, now

ROWS = 10_000_000
SIZES = (1_000_000, 5_000_000, 10_000_000)
STORED, GROUP = 50_000, 5_000
PAGE_ROWS = 50_000  # predictions of the pages, beside which the job is
ASKED = 200
FILLED_AT_ONCE = 500_000
OF_PAGES = "slowest question of the pages at {}, ms"


def main(url: str, *sizes: int) -> None:
    """Prints rows a second and milliseconds by name, at these sizes of the job."""
    fill(url, PAGE_ROWS)
    log = FeedbackLog(url)
    job = open_job(
        log, name="weekly", source="weekly.csv", source_kind="weekly.csv", text_column="text",
        key_column="id", params={},
    )  # fmt: skip
    measured: dict[str, float | str] = {}

    def note(figures: dict[str, Any]) -> None:
        measured.update(figures)
        print(json.dumps(measured), flush=True)

    before = {name: times_ms(ask) for name, ask in of_pages(log)}
    note({OF_PAGES.format("0"): max(before.values())})
    note(stored_per_s(log, job, 0))
    for size in sizes or SIZES:
        fill_to(log, job, size)
        note(stored_per_s(log, job, size))
        note({f"{name} at {size:,}, ms": ms for name, ms in lookups(log, job)})
        after = {name: times_ms(ask) for name, ask in of_pages(log)}
        note({OF_PAGES.format(f"{size:,}"): max(after.values())})
        growth = {name: f"{before[name]:.1f} to {ms:.1f}" for name, ms in after.items()}
        for name in sorted(after, key=lambda name: before[name] - after[name])[:5]:
            print(f"{name}: {growth[name]} ms", file=sys.stderr, flush=True)
    log.close()


def stored_per_s(log: FeedbackLog, job: Job, size: int) -> dict[str, float]:
    """Rows a second of new predictions, and a second of this process's own time."""
    spent_s = own_s = 0.0
    for first in range(0, STORED, GROUP):
        rows = [new_row(first + number) for number in range(GROUP)]
        started_s, own_started_s = time.perf_counter(), time.process_time()
        store(log, job, rows)
        spent_s += time.perf_counter() - started_s
        own_s += time.process_time() - own_started_s
    return {
        f"stored at {size:,}, rows/s": STORED / spent_s,
        f"stored at {size:,}, rows/s of processor time": STORED / own_s,
    }


def new_row(number: int) -> JobRow:
    """An outcome with a random key."""
    made = drawn(number, random.random(), ROWS).prediction
    values = {name: getattr(made, name) for name in Prediction.__dataclass_fields__}
    made = Prediction(**values | {"id": new_id(), "created_at": now(), "input": f"{number} of it"})
    key = f"{random.getrandbits(64):016x}"
    return JobRow(place=str(number), number=number, key=key, text=made.input, outcome=made)


def lookups(log: FeedbackLog, job: Job) -> Iterator[tuple[str, float]]:
    """Medians of questions about keys that are spread over the whole job."""
    query = sa.select(job_predictions.c.key, job_predictions.c.input)
    some = f"{random.getrandbits(64):016x}"
    with log.database.connect() as connection:
        of_job = query.where(job_predictions.c.job == job.number, job_predictions.c.key > some)
        rows = connection.execute(of_job.order_by(job_predictions.c.key).limit(ASKED)).all()
    keys = [row.key for row in rows]
    spread = iter([*keys] * 10)
    for name, ask in {
        "a key": lambda: by_keys(log, job, [next(spread)]),
        "200 keys": lambda: by_keys(log, job, keys),
        "a text": lambda: by_text(log, job, rows[0].input, limit=20),
        "history of a key": lambda: history(log, job, keys[0]),
        "summary": lambda: summary(log, job, model_id="model/bundled", revision="r0"),
        "distribution": lambda: distribution(log, job),
        "first piece of the export": lambda: next(exported(log, job)),
    }.items():
        yield name, statistics.median(times_ms(ask) for _ in range(20))


def of_pages(log: FeedbackLog) -> Iterator[tuple[str, Callable[[], object]]]:
    """The questions of the pages, by name."""
    yield "counts", log.counts
    yield "labels", log.labels
    for sampling in ("margin", "random", "agreement", "disagreement"):
        ask = partial(to_review, log, "Ada", sampling, random_share=0.2, limit=5)
        yield f"review by {sampling}", ask
    for number, insight in enumerate(every_insight(log)):
        yield f"insight {number}", insight
    for chosen in every_filter(log):
        yield f"{chosen}", partial(table, log, chosen)


# --- as a job of that size leaves them ------------------------------------------------------------


def fill_to(log: FeedbackLog, job: Job, rows: int) -> None:
    """Fills the tables until the job has so many predictions, with copies of one in forty."""
    while True:
        with log.database.connect(write=True) as connection:
            there = connection.execute(
                sa.select(jobs.c.stored).where(jobs.c.number == job.number)
            ).scalar_one()
            more = min(rows - there, FILLED_AT_ONCE)
            if more <= 0:
                break
            _fill(connection, job, there, more)
    with log.database.connect(write=True) as connection:
        if connection.dialect.name == "postgresql":  # which would do it by itself, a minute later
            connection.execute(sa.text("ANALYZE"))


def _fill(connection: sa.Connection, job: Job, there: int, more: int) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        connection.exec_driver_sql("PRAGMA cache_size = -1000000")  # 1 GB, or it takes an hour
        key, chance = "lower(hex(randomblob(8)))", "(abs(random() % 1000003) / 1000003.0)"
        numbers = (
            "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n "
            "WHERE i + 1 < :last)"
        )
        new = "printf('0193%08x70008%015x', i, i)"
        content, output = "random()", '\'[{"label":"label a","score"\\:0.75}]\''
    else:
        key, chance = "substr(md5(random()::text), 1, 16)", "random()"
        numbers = "WITH n AS (SELECT generate_series(:first, :last - 1) AS i)"
        new = "('0193' || lpad(to_hex(i), 8, '0') || '70008' || lpad(to_hex(i), 15, '0'))::uuid"
        content = "(random() * 9e18)::bigint"
        output = '\'[{"label":"label a","score"\\:0.75}]\'::json'
    yes = "1" if is_sqlite else "true"
    values = {"first": there, "last": there + more, "job": job.number}
    connection.execute(
        sa.text(
            f"{numbers} INSERT INTO job_predictions (job, key, version, newest, place, content, "
            "origin, prediction_id, created_at, input, output, label, score, margin, truncated, "
            f"queue_ms, inference_ms) SELECT :job, {key}, 1, {yes}, i, {content}, 1, {new}, "
            "'2026-11-01 12:00:00.000000', 'a text as long as a review on average is, which are "
            f"about eighty characters ' || i, {output}, 'label a', 0.75, {chance}, {yes}, 0.1, 7.5 "
            "FROM n"
        ).bindparams(**values)
    )
    copied = f"{chance} < 0.025" if there >= COPIED_ROWS else f"{yes} = {yes}"
    connection.execute(
        sa.text(
            "INSERT INTO predictions (id, created_at, source, batch_id, session_id, task, "
            "model_id, model_revision, params, input, output, label, score, margin, truncated, "
            "queue_ms, inference_ms, draw) SELECT prediction_id, job_predictions.created_at, "
            "'job', jobs.batch_id, 'job', 'text-classification', 'model/bundled', 'r0', '{}', "
            "input, output, label, score, margin, truncated, queue_ms, inference_ms, "
            f"CAST({chance} * 2147483000 AS INTEGER) FROM job_predictions "
            "JOIN jobs ON jobs.number = job WHERE job = :job AND newest AND place >= :first AND "
            f"place < :last AND {copied} AND input LIKE 'a text as long%'"
        ).bindparams(**values)
    )
    update = sa.update(jobs).where(jobs.c.number == job.number)
    connection.execute(update.values(stored=there + more))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
