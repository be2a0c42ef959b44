"""Iterators over groups of items, and in a thread of their own. Knows no rows."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.2


def grouped(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one perhaps shorter.

    Where making an item raises, those before it are given out first.
    """
    iterator = iter(items)
    while True:
        group: list[T] = []
        try:
            group.extend(islice(iterator, size))
        except Exception:
            if group:
                yield group
            raise
        if not group:
            return
        yield group


def read_ahead(
    items: Iterable[T], depth: int, *, goes_on: Callable[[], bool] = lambda: True
) -> Iterator[T]:
    """The items, of which a thread makes `depth` in advance; raises what making them raises.

    Ends within moments once `goes_on` returns False, though the next item may be hours away. The
    thread ends when the iterator is closed, unless it waits for something: then it is left.
    """
    waiting: queue.Queue[tuple[list[T], BaseException | None]] = queue.Queue(depth)
    is_over = threading.Event()

    def put(pieces: list[T], error: BaseException | None = None) -> bool:
        while not is_over.is_set():
            try:
                waiting.put((pieces, error), timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for item in items:
                if not put([item]):
                    return
        except BaseException as error:  # noqa: BLE001 - raised where the items are taken
            put([], error)
        else:
            put([], StopIteration())

    thread = threading.Thread(target=read, name="read-ahead", daemon=True)
    thread.start()
    try:
        while goes_on():
            try:
                pieces, error = waiting.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield from pieces
    finally:
        is_over.set()
        thread.join(POLL_S)
