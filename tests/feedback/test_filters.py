"""The rows that a filter leaves, on each kind of database."""

from feedback import FeedbackLog
from feedback.filters import Filter
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
