"""MicroBatcher: one thread computes for many callers, on what has gathered in the meantime.

Knows neither texts nor models: an item is some work of a certain size, and a function computes a
batch of them.

There is no timer. A worker that is free takes what is there at once; while it computes, the rest
gathers, so that batches are as large as the load makes them. huggingface's
text-embeddings-inference bounds its batches by tokens too (https://github.com/huggingface/
text-embeddings-inference, core/src/queue.rs); the order by length is ours.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from model.errors import ModelBusy, ModelClosed, ModelError
from model.histogram import Histogram

logger = logging.getLogger(f"tryout.{__name__}")

Work = TypeVar("Work")
Value = TypeVar("Value")
Result = TypeVar("Result")

MAX_BATCH_TOKENS = 1024
BULK_TOKENS = 128  # of a batch with bulk items while somebody is there to wait for it
PRESENT_S = 30.0  # so long after an interactive item somebody is there
LOOK_AHEAD_ITEMS = 256
BULK_EVERY = 4  # while both wait, one batch in so many is led by a bulk item
MAX_ITEMS = 4096
MAX_TOKENS = 1_000_000
SPEED_WEIGHT = 0.2  # of the newest batch in the running mean of tokens a second


@dataclass(frozen=True, slots=True)
class Size:
    """How much an item is to compute: rows, and the tokens of the longest of them."""

    rows: int
    longest: int

    @property
    def tokens(self) -> int:
        """The padded tokens of the item alone."""
        return self.rows * self.longest


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds that an item waited, and that its batch was computed."""

    queue_ms: float
    inference_ms: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item is in the queue: how many are in front, and about how long that takes."""

    ahead: int
    wait_s: float


@dataclass(slots=True)
class Counters:
    """What a batcher has done so far; times in seconds, sizes as numbers of items or tokens."""

    done: int = 0
    failed: int = 0
    rejected: int = 0
    cancelled: int = 0
    expired: int = 0
    queue_s: Histogram = field(default_factory=Histogram.of_seconds)
    inference_s: Histogram = field(default_factory=Histogram.of_seconds)
    batch_rows: Histogram = field(default_factory=lambda: Histogram.of_powers(10))
    batch_tokens: Histogram = field(default_factory=lambda: Histogram.of_powers(14))


@dataclass(eq=False, slots=True)
class _Item(Generic[Work, Result]):
    work: Work
    size: Size
    group: Hashable
    submitted_s: float
    deadline_s: float
    future: Future[Result] = field(default_factory=Future)


class MicroBatcher(Generic[Work, Value, Result]):
    """Computes the items of many threads in one, batched."""

    def __init__(
        self,
        run: Callable[[Sequence[Work]], Sequence[Value]],
        finish: Callable[[Work, Value, Timing], Result],
        *,
        max_batch_tokens: int = MAX_BATCH_TOKENS,
        max_items: int = MAX_ITEMS,
        max_tokens: int = MAX_TOKENS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts the worker thread.

        `run` computes a batch and returns a value an item, in order; `finish` makes an item's
        result of its value. Both run in the worker thread, and what they raise is the item's.
        """
        self._run = run
        self._finish = finish
        self._max_batch_tokens = max_batch_tokens
        self._max_items = max_items
        self._max_tokens = max_tokens
        self._clock = clock
        self._lines: tuple[deque[_Item[Work, Result]], ...] = (deque(), deque())
        self._tokens = 0
        self._led_since_bulk = 0
        self._interactive_s = float("-inf")
        self._tokens_per_s = 0.0
        self._closed = False
        self._computed: Hashable = None  # the group of the batch that the worker is at
        self._changed = threading.Condition()
        self.counters = Counters()
        self._worker = threading.Thread(target=self._work, name="model", daemon=True)
        self._worker.start()

    def submit(
        self,
        work: Work,
        size: Size,
        *,
        group: Hashable = None,
        bulk: bool = False,
        timeout_s: float = float("inf"),
    ) -> Future[Result]:
        """Queues an item; its future can be cancelled until its batch begins.

        A batch holds items of one `group` only. A `bulk` item lets others go before it. After
        `timeout_s` in the queue it fails with ModelBusy. Raises ModelBusy, with an estimate in
        `wait_s`, if the queue is full, and ModelClosed after `close`.
        """
        now_s = self._clock()
        item: _Item[Work, Result] = _Item(work, size, group, now_s, now_s + timeout_s)
        with self._changed:
            if self._closed:
                raise ModelClosed("The model was closed.")
            full = sum(map(len, self._lines)) >= self._max_items
            if full or (self._tokens and self._tokens + size.tokens > self._max_tokens):
                self.counters.rejected += 1
                raise ModelBusy(self._wait_s(self._tokens))
            self._lines[bulk].append(item)
            if not bulk:
                self._interactive_s = now_s
            self._tokens += size.tokens
            self._changed.notify()
        return item.future

    def place(self, future: Future[Result]) -> Place | None:
        """Where the item of `future` waits; None if it does not wait any more."""
        with self._changed:
            ahead = tokens = 0
            for line in self._lines:
                for item in line:
                    if item.future is future:
                        return Place(ahead, self._wait_s(tokens))
                    ahead += 1
                    tokens += item.size.tokens
        return None

    @property
    def depth(self) -> int:
        """How many items wait."""
        return sum(map(len, self._lines))

    def close(self) -> None:
        """Finishes the batch that is computed, and fails all that waits with ModelClosed."""
        with self._changed:
            self._closed = True
            waiting = self._drop(lambda item: True)
            self._changed.notify_all()
        self._fail(waiting)
        if threading.current_thread() is not self._worker:
            self._worker.join()

    def close_group(self, group: Hashable) -> None:
        """Finishes the batch that is computed if it is of `group`, and fails what waits of it.

        The rest goes on. Nothing of the group may be submitted any more.
        """
        with self._changed:
            waiting = self._drop(lambda item: item.group == group)
        self._fail(waiting)
        with self._changed:
            while self._computed == group and threading.current_thread() is not self._worker:
                self._changed.wait()

    def _drop(self, unwanted: Callable[[_Item[Work, Result]], bool]) -> list[_Item[Work, Result]]:
        """Takes items out of the queue."""
        dropped = [item for line in self._lines for item in line if unwanted(item)]
        for line in self._lines:
            kept = [item for item in line if not unwanted(item)]
            line.clear()
            line.extend(kept)
        self._tokens -= sum(item.size.tokens for item in dropped)
        return dropped

    @staticmethod
    def _fail(waiting: Iterable[_Item[Work, Result]]) -> None:
        for item in waiting:
            if item.future.set_running_or_notify_cancel():
                item.future.set_exception(ModelClosed("The model was closed."))

    # --- the worker -------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not any(self._lines):
                    self._changed.wait()
                if self._closed:
                    return
                batch = self._take()
                self._computed = batch[0].group
            live = [item for item in batch if self._begins(item)]
            if live:
                self._compute(live)
            with self._changed:
                self._computed = None
                self._changed.notify_all()
            del batch, live  # while it waits for the next, nothing holds what these held

    def _take(self) -> list[_Item[Work, Result]]:
        """The next batch, out of the queue: the oldest item and those whose length is like its.

        Of interactive items first; of bulk ones every fourth time, and in what room is left: little
        after somebody came who waits, since a large batch takes many times as long as a lone item.
        """
        interactive, bulk = self._lines
        leads_bulk = bool(bulk) and (not interactive or self._led_since_bulk >= BULK_EVERY - 1)
        self._led_since_bulk = 0 if leads_bulk or not bulk else self._led_since_bulk + 1
        first, second = (bulk, interactive) if leads_bulk else (interactive, bulk)
        present = self._clock() - self._interactive_s < PRESENT_S
        of_bulk = min(self._max_batch_tokens, BULK_TOKENS if present else self._max_batch_tokens)
        bounds = (self._max_batch_tokens, of_bulk)
        batch = [first[0]]
        rows, longest = first[0].size.rows, first[0].size.longest
        for line in (first, second):
            window = [line[i] for i in range(min(len(line), LOOK_AHEAD_ITEMS))]
            lead, group = batch[0].size.longest, batch[0].group
            window.sort(key=lambda item: abs(item.size.longest - lead))
            for item in window:
                tallest = max(longest, item.size.longest)
                fits = (rows + item.size.rows) * tallest <= bounds[line is bulk]
                if item is batch[0] or item.group != group or not fits:
                    continue
                batch.append(item)
                rows, longest = rows + item.size.rows, tallest
        taken = set(map(id, batch))
        for line in self._lines:
            self._remove(line, taken)
        self._tokens -= sum(item.size.tokens for item in batch)
        return batch

    @staticmethod
    def _remove(line: deque[_Item[Work, Result]], taken: set[int]) -> None:
        """Takes items out of the look-ahead; the rest of a long line is not touched."""
        head = [line.popleft() for _ in range(min(len(line), LOOK_AHEAD_ITEMS))]
        line.extendleft(item for item in reversed(head) if id(item) not in taken)

    def _begins(self, item: _Item[Work, Result]) -> bool:
        """Whether an item is still wanted, at the last moment before it is computed."""
        if not item.future.set_running_or_notify_cancel():
            self.counters.cancelled += 1
            return False
        waited_s = self._clock() - item.submitted_s
        if self._clock() > item.deadline_s:
            self.counters.expired += 1
            item.future.set_exception(ModelBusy(self._wait_s(self._tokens), waited_s=waited_s))
            return False
        return True

    def _compute(self, batch: list[_Item[Work, Result]]) -> None:
        started_s = self._clock()
        try:
            values = self._run([item.work for item in batch])
            if len(values) != len(batch):
                raise ModelError(f"A batch of {len(batch)} items gave {len(values)} values.")
        except BaseException as error:  # noqa: BLE001 - it is the item's, and the thread goes on
            if len(batch) == 1:
                self.counters.failed += 1
                batch[0].future.set_exception(error)
                return
            # One of them is to blame. Each by itself, so that it hurts no other.
            logger.warning("A batch of %d failed, now each by itself: %s", len(batch), error)
            for item in batch:
                self._compute([item])
            return
        took_s = self._clock() - started_s
        self._count(batch, took_s)
        for item, value in zip(batch, values, strict=True):
            queue_ms = (started_s - item.submitted_s) * 1000
            timing = Timing(queue_ms, took_s * 1000)
            try:
                result = self._finish(item.work, value, timing)
            except BaseException as error:  # noqa: BLE001
                self.counters.failed += 1
                item.future.set_exception(error)
            else:
                self.counters.done += 1
                self.counters.queue_s.add(queue_ms / 1000)
                item.future.set_result(result)

    def _count(self, batch: Iterable[_Item[Work, Result]], took_s: float) -> None:
        sizes = [item.size for item in batch]
        tokens = sum(size.rows for size in sizes) * max(size.longest for size in sizes)
        self.counters.inference_s.add(took_s)
        self.counters.batch_rows.add(sum(size.rows for size in sizes))
        self.counters.batch_tokens.add(tokens)
        speed = tokens / max(took_s, 1e-6)
        known = self._tokens_per_s or speed
        self._tokens_per_s = known + SPEED_WEIGHT * (speed - known)

    def _wait_s(self, tokens: int) -> float:
        """About how long so many tokens take, by the batches so far."""
        return tokens / self._tokens_per_s if self._tokens_per_s else 0.0
