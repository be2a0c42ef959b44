"""The rows that a filter leaves, on each kind of database."""

from feedback import FeedbackLog
from feedback.filters import Filter
from feedback.records import ModelRevision
from tests.helpers.entries import entry, rating


def test_filters_and_pages(log: FeedbackLog) -> None:
    entries = [entry(f"text {n} 100%_sure" if n % 2 else f"Text {n}") for n in range(7)]
    for stored in entries:
        log.record(stored)
    log.rate(rating(entries[0], verdict="up"))
    log.rate(rating(entries[1], verdict="down"))

    def texts(chosen: Filter, offset: int = 0, limit: int = 100) -> list[str]:
        rows = log.page(chosen, offset=offset, limit=limit)
        assert len(rows) <= log.count(chosen, limit=99)
        return [one.prediction.input for one, _ in rows]

    newest_first = [one.prediction.input for one in reversed(entries)]
    assert texts(Filter()) == newest_first
    assert texts(Filter(), offset=2, limit=3) == newest_first[2:5]
    assert texts(Filter(verdict="up")) == ["Text 0"]
    assert texts(Filter(verdict="down")) == ["text 1 100%_sure"]
    assert (
        len(texts(Filter(verdict="unrated"))) == log.count(Filter(verdict="unrated"), limit=99) == 5
    )
    assert len(texts(Filter(text="TEXT"))) == 7, "case does not matter"
    assert len(texts(Filter(text="%_"))) == 3, "wildcards are text"
    assert texts(Filter(label="negative")) == []
    assert len(texts(Filter(label="positive", text="100%", verdict="unrated"))) == 2


def test_predictions_that_follow_another_are_each_there_once(log: FeedbackLog) -> None:
    entries = [entry(f"text {n}") for n in range(6)]
    for stored in entries:
        log.record(stored)
    for stored in entries[:4]:
        for reviewer in ("Ada", "Bob"):
            log.rate(rating(stored, reviewer, verdict="up"))
    log.rate(rating(entries[5], verdict="down"))
    revision = ModelRevision("model/bundled", "abc")
    rated_up = [stored.prediction.id for stored in reversed(entries[:4])]
    for chosen, ids in {
        Filter(): [stored.prediction.id for stored in reversed(entries)],
        Filter(verdict="up"): rated_up,
        Filter(verdict="up", revision=revision): rated_up,
        Filter(blind=False, text="text", revision=revision): [entries[5].prediction.id, *rated_up],
        Filter(verdict="unrated"): [entries[4].prediction.id],
        Filter(disputed=True): [],
    }.items():
        got = [stored.prediction.id for stored in log.entries(chosen, limit=99)]
        assert got == ids
        if ids:
            follow = log.entries(chosen, before=ids[0], limit=2)
            assert [stored.prediction.id for stored in follow] == ids[1:3]
    each = log.ratings_of_each([entries[0].prediction.id, entries[4].prediction.id])
    assert [len(ratings) for ratings in each.values()] == [2, 0]
