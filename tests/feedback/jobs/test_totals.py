"""The totals of a job are those of the newest predictions of its keys."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from math import log2

from feedback import FeedbackLog
from feedback.jobs import Distribution, distribution, exported, store, summary
from model.prediction import GeneratedText
from tests.helpers.entries import labels
from tests.helpers.jobs import job_of, job_row, reject

DAYS = [datetime(2026, month, 3, 23, 59, tzinfo=UTC) for month in (1, 2, 3)]


def test_they_equal_a_count_of_all_after_any_changes(log: FeedbackLog) -> None:
    job, chance = job_of(log), random.Random(3)
    for turn in range(6):
        rows = [
            job_row(
                str(number),
                chance.choice(("", "short", "\0\ud800", "x" * 1000)),
                number=number,
                output=labels((chance.choice("abc"), chance.choice((0.5, 0.75, 1.0))), ("d", 0.1)),
                created_at=chance.choice(DAYS),
                model_revision=f"r{chance.randrange(turn + 1)}",
            )
            for number in chance.sample(range(40), 25)
        ]
        store(log, job, rows)
    made = [stored.entry.prediction for piece in exported(log, job) for stored in piece]
    counted = Distribution(
        Counter(one.label for one in made),
        Counter(min(int((one.margin or 0) * 100), 99) for one in made),
        # as the database has a text: \0 and lone surrogates are five characters
        Counter(int(8 * log2({2: 10}.get(len(one.input), len(one.input)) or 1)) for one in made),
    )
    there = distribution(log, job)
    assert (there.labels, there.margins, there.chars) == (
        counted.labels,
        counted.margins,
        counted.chars,
    )
    for revision in ("r0", "r3", "none"):
        figures = summary(log, job, model_id="model/bundled", revision=revision)
        assert figures.stored == len(made)
        assert figures.stale == sum(one.model_revision != revision for one in made)
    days = [one.created_at.date() for one in made]
    assert (figures.oldest, figures.newest) == (min(days), max(days))


def test_a_prediction_counts_for_its_day_in_utc_and_is_taken_from_there(log: FeedbackLog) -> None:
    job = job_of(log)
    late = datetime(2026, 3, 2, 1, tzinfo=timezone(timedelta(hours=5)))  # of a service elsewhere
    store(log, job, [job_row("a", created_at=late)])
    assert summary(log, job, model_id="", revision="").newest == date(2026, 3, 1)
    store(log, job, [job_row("a", "changed", created_at=DAYS[0])])
    found = summary(log, job, model_id="", revision="")
    assert (found.oldest, found.newest) == (date(2026, 1, 3), date(2026, 1, 3))


def test_of_nothing_they_are_empty(log: FeedbackLog) -> None:
    job = job_of(log)
    assert distribution(log, job) == Distribution({}, {}, {})
    figures = summary(log, job, model_id="m", revision="r")
    assert (figures.stored, figures.stale, figures.rejects) == (0, 0, 0)
    assert figures.oldest is figures.newest is None


def test_texts_without_a_margin_and_rejects_are_counted_apart(log: FeedbackLog) -> None:
    job, made_at = job_of(log), datetime(2026, 5, 1, tzinfo=UTC)
    row = job_row("k", "12345678", output=GeneratedText("", 0, "end"), created_at=made_at)
    store(log, job, [row, reject(1)])
    assert distribution(log, job) == Distribution({"": 1}, {}, {24: 1})
    figures = summary(log, job, model_id="model/bundled", revision="abc")
    assert (figures.stored, figures.stale, figures.rejects) == (1, 0, 1)
    assert figures.oldest == figures.newest == date(2026, 5, 1)
