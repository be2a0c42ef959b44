"""Groups that a thread reads in advance, and the outcomes of groups without a text."""

import threading
from collections.abc import Iterator

import pytest

from feedback.jobs import JobRow
from files.sources import SourceRow
from jobs.batch.groups import grouped, read_ahead
from jobs.batch.predicting import MOST_REFUSED, outcomes
from model import Prediction
from tests.helpers.predictor import FakePredictor


def test_items_come_in_their_order_and_then_the_error_of_making_them() -> None:
    def made() -> Iterator[int]:
        yield from range(9)
        raise ValueError("the tenth")

    items = read_ahead(made(), 2)
    assert [next(items) for _ in range(9)] == list(range(9))
    with pytest.raises(ValueError, match="the tenth"):
        next(items)


def test_a_group_before_an_error_is_given_out() -> None:
    def made() -> Iterator[int]:
        yield from range(5)
        raise ValueError("the sixth")

    groups = grouped(made(), 3)
    assert [next(groups), next(groups)] == [[0, 1, 2], [3, 4]]
    with pytest.raises(ValueError, match="the sixth"):
        next(groups)


def test_a_stop_does_not_wait_for_an_item_that_never_comes() -> None:
    is_stopped, is_over = threading.Event(), threading.Event()

    def made() -> Iterator[int]:
        yield 1
        is_stopped.set()
        is_over.wait()

    try:
        assert list(read_ahead(made(), 2, goes_on=lambda: not is_stopped.is_set())) in ([], [1])
    finally:
        is_over.set()


def test_rows_without_a_text_are_given_out_before_all_are_read() -> None:
    read: list[int] = []

    def groups() -> Iterator[list[SourceRow]]:
        for group in range(3):
            read.append(group)
            yield [
                SourceRow(str(n), n, str(n), "", "There is no text.")
                for n in range(group * MOST_REFUSED, (group + 1) * MOST_REFUSED)
            ]
        yield [SourceRow("last", 3 * MOST_REFUSED, "last", "a good day")]

    model = FakePredictor()
    model.load()
    given = outcomes(model, groups(), {})
    first = next(given)
    assert (first.outcome, read) == ("There is no text.", [0])
    rest: list[JobRow] = list(given)
    assert len(rest) == 3 * MOST_REFUSED
    assert isinstance(rest[-1].outcome, Prediction)
    model.close()
