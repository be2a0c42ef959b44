"""What pages count equals what the ratings say, whatever was done, and again after a rebuild."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from feedback import Entry, FeedbackLog, Rating, insights
from feedback.database import Database
from feedback.filters import Filter
from feedback.records import Counts
from feedback.tables import labels, pairs, predictions, ratings
from feedback.totals import TOTALS, rebuild
from tests.helpers.entries import entry, rating
from tests.helpers.entries import labels as scored

LABELS = ("joy", "rage", "a label that is longer than an index may hold " * 200)
START = datetime(2026, 5, 1, 23, 59, tzinfo=UTC)


@pytest.fixture(autouse=True)
def patient_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes of writing at once is tested, and not how long one waits for the others."""
    monkeypatch.setattr("feedback.database.BUSY_TIMEOUT_S", 60)


@dataclass
class Expected:
    """The predictions and ratings that were stored, and what pages should count of them."""

    entries: list[Entry] = field(default_factory=list)
    ratings: list[Rating] = field(default_factory=list)

    def current(self) -> list[Rating]:
        """The newest rating of each reviewer for each prediction, unless it takes one back."""
        last: dict[tuple[Any, str], Rating] = {}
        for one in sorted(self.ratings, key=lambda rating: rating.id):
            last[one.prediction_id, one.reviewer] = one
        return [one for one in last.values() if not one.retracted]

    def check(self, log: FeedbackLog) -> None:
        current = self.current()
        verdicts = Counter(one.verdict for one in current)
        rated = {one.prediction_id for one in current}
        assert log.counts() == Counts(
            predictions=len(self.entries),
            rated=len(rated),
            up=verdicts["up"],
            down=verdicts["down"],
            reviewers=len({one.reviewer for one in current}),
        )
        by_day = Counter((one.created_at.date(), one.verdict) for one in current)
        days = insights.by_day(log)
        shown = {(t.day, v): n for t in days for v, n in (("up", t.up), ("down", t.down)) if n}
        assert shown == by_day
        assert [tally.day for tally in days] == sorted({day for day, _ in by_day})
        assert log.labels() == sorted({of.prediction.label for of in self.entries})
        unrated = len(self.entries) - len(rated)
        check_rows(log, "up", verdicts["up"])
        check_rows(log, "down", verdicts["down"])
        check_rows(log, "unrated", unrated)
        check_rows(log, "", len(current) + unrated)


def check_rows(log: FeedbackLog, verdict: Any, expected: int) -> None:
    """The table of these rows has as many as are counted, the newest first."""
    rows = log.page(Filter(verdict=verdict), offset=0, limit=999)
    assert len(rows) == log.count(Filter(verdict=verdict), limit=999) == expected
    ids = [row.prediction.id for row, _ in rows]
    assert ids == sorted(ids, reverse=True)


class Visitors:
    """Visitors and an owner who store things by chance."""

    def __init__(self, log: FeedbackLog, seed: int) -> None:
        self._log = log
        self._draw = random.Random(seed)
        self.stored = Expected()

    def act(self) -> None:
        """Predicts a text, rates a prediction or imports some of both."""
        if not self.stored.entries or self._draw.random() < 0.3:
            self._predict()
        elif self._draw.random() < 0.8:
            self._rate()
        else:
            self._import()

    def _predict(self) -> None:
        new = self._entry()
        self._log.record(new)
        self._log.record(new)
        self.stored.entries.append(new)

    def _rate(self) -> None:
        new = self._rating(self._draw.choice(self.stored.entries))
        if self._log.rate(new):
            self.stored.ratings.append(new)

    def _import(self) -> None:
        """Imports a file twice, with ratings that are older than some in the log."""
        late = [self._rating(of) for of in self._draw.choices(self.stored.entries, k=3)]
        more = [self._entry() for _ in range(2)]
        for _ in range(2):
            self._log.add(more, late)
        self.stored.entries += more
        self.stored.ratings += late

    def _entry(self) -> Entry:
        label, revision = self._draw.choice(LABELS), self._draw.choice("ab")
        return entry(output=scored((label, 0.9), ("x", 0.1)), model_revision=revision)

    def _rating(self, of: Entry) -> Rating:
        draw = self._draw
        return rating(
            of,
            draw.choice(("Ada", "Bob", "名")),
            draw.choice(("up", "down")),
            created_at=START + timedelta(minutes=draw.randrange(3000)),
            retracted=draw.random() < 0.2,
            blind=draw.random() < 0.3,
            sampling=draw.choice(("", "random", "margin")),
            correction=draw.choice(("", "x")),
        )


def all_totals(connection: sa.Connection) -> list[Any]:
    """The rows of the totals that are not 0 throughout, and the columns that follow from others."""
    sizes = [*((total.table, len(total.measures)) for total in TOTALS), (labels, 1)]
    rows = [
        [row for row in sorted(connection.execute(sa.select(table))) if any(row[-size:])]
        for table, size in sizes
    ]
    columns = [
        connection.execute(sa.select(column).order_by(column.table.c.id)).all()
        for column in (predictions.c.rated, predictions.c.down, ratings.c.superseded)
    ]
    return [*rows, *columns]


@pytest.mark.parametrize("seed", range(3))
def test_they_follow_whatever_is_stored(log: FeedbackLog, log_url: str, seed: int) -> None:
    visitors = Visitors(log, seed)
    for _ in range(60):
        visitors.act()
        visitors.stored.check(log)
    database = Database(log_url)
    with database.connect(write=True) as connection:
        kept = all_totals(connection)
        connection.execute(sa.update(predictions).values(rated=77, down=5))
        connection.execute(sa.update(ratings).values(superseded=~ratings.c.superseded))
        rebuild(connection)
        assert all_totals(connection) == kept
    database.close()


def at_once(*jobs: Callable[[], object]) -> None:
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()


def test_ratings_of_many_at_once_are_all_counted(log: FeedbackLog) -> None:
    entries = [entry(f"{i}") for i in range(80)]
    log.add(entries, [])

    def rate(mine: list[Entry]) -> None:
        for of in mine:
            log.rate(rating(of, verdict="down"))
            log.rate(rating(of, verdict="up"))

    at_once(*(partial(rate, entries[i::8]) for i in range(8)))
    assert log.counts() == Counts(predictions=80, rated=80, up=80, down=0, reviewers=1)


def test_imports_of_the_same_predictions_at_once_are_counted_once(
    log: FeedbackLog, log_url: str
) -> None:
    """As two tabs do it, or a double click, while somebody rates."""
    entries = [entry(f"{i}") for i in range(300)]
    log.add(entries, [])
    same = [rating(of) for of in entries]
    others = [[rating(of, name) for of in entries] for name in ("Bob", "Cleo")]
    logs = [FeedbackLog(log_url) for _ in range(4)]
    imports = zip(logs, [same, same, *others], strict=True)
    at_once(
        *(partial(one.add, entries, said) for one, said in imports),
        lambda: [log.rate(rating(of, "Dan", "down")) for of in entries],
    )
    assert log.counts() == Counts(predictions=300, rated=300, up=900, down=300, reviewers=4)
    for one in logs:
        one.close()


def test_two_processes_that_start_together_both_come_up(bare_url: str) -> None:
    logs: list[FeedbackLog] = []
    at_once(*[lambda: logs.append(FeedbackLog(bare_url))] * 3)
    for log in logs:
        log.record(entry())
        log.close()
    assert len(logs) == 3


def test_pairs_are_kept_of_what_two_have_rated(log: FeedbackLog) -> None:
    """For all pairs of all reviewers, one prediction that many rate would stop every writer."""
    few, many = entry("few"), entry("many")
    log.add([few, many], [rating(few, "Ada"), rating(few, "Bob", "down")])
    kept = sa.select(pairs.c.first, pairs.c.second).where(pairs.c.predictions > 0)

    def names() -> list[tuple[str, ...]]:
        with log.database.connect() as connection:
            return sorted(map(tuple, connection.execute(kept)))

    for number in range(40):
        log.rate(rating(many, f"reviewer {number}"))
    assert names() == [("Ada", "Bob")]
    log.rate(rating(few, "Cleo"))
    assert names() == []
    log.rate(rating(few, "Cleo", retracted=True))
    assert names() == [("Ada", "Bob")]
