"""Items that a thread reads ahead."""

import threading
from collections.abc import Iterator

import pytest

from jobs.batch.groups import grouped, read_ahead


def test_reading_ahead_ends_though_the_next_item_does_not_come() -> None:
    is_over, goes_on = threading.Event(), [True]

    def items() -> Iterator[int]:
        yield 1
        is_over.wait()  # as for a database that is away
        yield 2

    ahead = read_ahead(items(), 4, goes_on=lambda: goes_on[0])
    assert next(ahead) == 1
    goes_on[0] = False
    try:
        assert list(ahead) == []
    finally:
        is_over.set()


def test_a_group_before_an_error_is_given_out() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("broken")

    groups = grouped(items(), 3)
    assert [next(groups), next(groups)] == [[0, 1, 2], [3, 4]]
    with pytest.raises(OSError, match="broken"):
        next(groups)
