"""MicroBatcher: a worker thread computes for many callers, in batches of the items that wait.

Knows neither texts nor models: an item is a payload of a certain size, and a function computes a
batch of payloads.

There is no timer. A free worker takes the waiting items at once; while it computes, more items
arrive, so that batches are as large as the load makes them. huggingface's
text-embeddings-inference bounds its batches by tokens too (https://github.com/huggingface/
text-embeddings-inference, core/src/queue.rs); the order by length is our own.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Generic, TypeVar

from model.errors import ModelBusy, ModelClosed, ModelError, ModelTimedOut
from model.histogram import Histogram

logger = logging.getLogger(f"tryout.{__name__}")

Payload = TypeVar("Payload")
Value = TypeVar("Value")
Result = TypeVar("Result")

MAX_BATCH_TOKENS = 1024  # padded tokens of a batch
BULK_TOKENS = 128  # cap of a batch with bulk items while a visitor is likely to be waiting
PRESENT_S = 30.0  # seconds after an interactive item that a visitor counts as waiting
LOOK_AHEAD_ITEMS = 256  # items at the front of a line that a batch is chosen from
BULK_EVERY = 4  # while both kinds wait, every fourth batch starts with a bulk item
MAX_ITEMS = 4096  # in the queue
MAX_TOKENS = 1_000_000  # in the queue
SPEED_WEIGHT = 0.2  # of the newest batch in the running mean of tokens a second


@dataclass(frozen=True, slots=True)
class Size:
    """The size of an item: its rows, and the tokens of the longest row."""

    rows: int
    longest: int

    @property
    def tokens(self) -> int:
        """The padded tokens of the item alone."""
        return self.rows * self.longest


@dataclass(frozen=True, slots=True)
class Timing:
    """The milliseconds that an item waited, and those that its batch took to compute."""

    queue_ms: float
    inference_ms: float


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the queue: the number of items ahead, and about how long they take."""

    ahead: int
    wait_s: float


@dataclass(slots=True)
class Counters:
    """The counts of a batcher since its start; times in seconds, sizes in rows and tokens."""

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
class _Item(Generic[Payload, Result]):
    payload: Payload
    size: Size
    group: Hashable
    submitted_s: float
    deadline_s: float
    future: Future[Result] = field(default_factory=Future)


class MicroBatcher(Generic[Payload, Value, Result]):
    """A queue of items from many threads, and the thread that computes them in batches."""

    def __init__(
        self,
        run: Callable[[Sequence[Payload]], Sequence[Value]],
        finish: Callable[[Payload, Value, Timing], Result],
        *,
        max_batch_tokens: int = MAX_BATCH_TOKENS,
        max_items: int = MAX_ITEMS,
        max_tokens: int = MAX_TOKENS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts the worker thread.

        `max_batch_tokens`, which may be changed at any time, bounds the padded tokens of a batch.
        `run` computes a batch of payloads and returns a value for each, in their order; `finish`
        turns the value of an item into its result. Both run in the worker thread; an error that
        they raise goes to the future of the item.
        """
        self._run = run
        self._finish = finish
        self.max_batch_tokens = max_batch_tokens
        self._max_items = max_items
        self._max_tokens = max_tokens
        self._clock = clock
        self._interactive: deque[_Item[Payload, Result]] = deque()
        self._bulk: deque[_Item[Payload, Result]] = deque()
        self._tokens = 0  # of all items that wait
        self._batches_since_bulk = 0  # that started with an interactive item while bulk waited
        self._last_interactive_s = float("-inf")
        self._tokens_per_s = 0.0
        self._closed = False
        self._groups: set[Hashable] = set()  # that may submit
        self._computed_group: Hashable = None  # the group of the batch that is computed
        self._changed = threading.Condition()
        self.counters = Counters()
        self._worker = threading.Thread(target=self._work, name="model", daemon=True)
        self._worker.start()

    def submit(
        self,
        payload: Payload,
        size: Size,
        *,
        group: Hashable = None,
        bulk: bool = False,
        timeout_s: float = float("inf"),
    ) -> Future[Result]:
        """Queues an item; its future can be cancelled until its batch begins.

        A batch holds items of one `group` only, which `open_group` has opened. A `bulk` item lets
        interactive items go first. After `timeout_s` in the queue an item fails with ModelTimedOut.
        Raises ModelBusy, with an estimate in `wait_s`, if the queue is full, and ModelClosed once
        the queue or the group is closed.
        """
        now_s = self._clock()
        item: _Item[Payload, Result] = _Item(payload, size, group, now_s, now_s + timeout_s)
        with self._changed:
            self._require_open()
            if group is not None and group not in self._groups:
                raise ModelClosed("The model was closed.")
            is_full = self.depth >= self._max_items
            if is_full or (self._tokens and self._tokens + size.tokens > self._max_tokens):
                self.counters.rejected += 1
                raise ModelBusy(self._wait_s(self._tokens))
            if bulk:
                self._bulk.append(item)
            else:
                self._interactive.append(item)
                self._last_interactive_s = now_s
            self._tokens += size.tokens
            self._changed.notify()
        return item.future

    def place(self, future: Future[Result]) -> Place | None:
        """The place of the item of `future`; None if it does not wait any more."""
        with self._changed:
            tokens = 0
            for ahead, item in enumerate(chain(self._interactive, self._bulk)):
                if item.future is future:
                    return Place(ahead, self._wait_s(tokens))
                tokens += item.size.tokens
        return None

    @property
    def depth(self) -> int:
        """The number of items that wait."""
        return len(self._interactive) + len(self._bulk)

    def close(self) -> None:
        """Finishes the batch that is computed; the waiting items fail with ModelClosed."""
        with self._changed:
            self._closed = True
            dropped = self._drop(lambda item: True)
            self._changed.notify_all()
        self._fail(dropped)
        if threading.current_thread() is not self._worker:
            self._worker.join()

    def open_group(self, group: Hashable) -> None:
        """Lets items of a group in; raises ModelClosed after `close`."""
        with self._changed:
            self._require_open()
            self._groups.add(group)

    def close_group(self, group: Hashable, *, finishes: bool = False) -> None:
        """Takes no more items of a group; the queue closes with the last group.

        Waits for the items of the group that are computed; with `finishes` also for those in the
        queue, which otherwise fail with ModelClosed.
        """
        with self._changed:
            self._groups.discard(group)
            dropped = [] if finishes else self._drop(lambda item: item.group == group)
            self._changed.notify_all()  # another thread may wait for the items that were dropped
        self._fail(dropped)
        if threading.current_thread() is not self._worker:
            with self._changed:
                self._changed.wait_for(lambda: not self._has(group))
        if not self._groups:
            self.close()

    def _has(self, group: Hashable) -> bool:
        """True if an item of the group waits, or is computed."""
        waiting = chain(self._interactive, self._bulk)
        return self._computed_group == group or any(item.group == group for item in waiting)

    def _require_open(self) -> None:
        if self._closed:
            raise ModelClosed("The model was closed.")

    def _drop(
        self, unwanted: Callable[[_Item[Payload, Result]], bool]
    ) -> list[_Item[Payload, Result]]:
        """Takes the unwanted items out of the queue and returns them."""
        dropped = [item for item in chain(self._interactive, self._bulk) if unwanted(item)]
        self._interactive = deque(item for item in self._interactive if not unwanted(item))
        self._bulk = deque(item for item in self._bulk if not unwanted(item))
        self._tokens -= sum(item.size.tokens for item in dropped)
        return dropped

    @staticmethod
    def _fail(dropped: Iterable[_Item[Payload, Result]]) -> None:
        for item in dropped:
            if item.future.set_running_or_notify_cancel():
                item.future.set_exception(ModelClosed("The model was closed."))

    # --- the worker -------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not self.depth:
                    self._changed.wait()
                if self._closed:
                    return
                batch = self._take()
                self._computed_group = batch[0].group
            wanted = [item for item in batch if self._begin(item)]
            if wanted:
                self._compute(wanted)
            with self._changed:
                self._computed_group = None
                self._changed.notify_all()
            del batch, wanted  # else the last items stay in memory until the next batch

    def _take(self) -> list[_Item[Payload, Result]]:
        """Takes the next batch out of the queue: the oldest item, and items of similar length.

        It starts with an interactive item if there is one; while both kinds wait, every fourth
        batch starts with a bulk item. The other kind fills the room that is left. A batch with bulk
        items is small while a visitor is likely to be waiting, since a large batch takes many times
        as long as an item alone.
        """
        interactive, bulk = self._interactive, self._bulk
        starts_bulk = bool(bulk) and (not interactive or self._batches_since_bulk >= BULK_EVERY - 1)
        self._batches_since_bulk = 0 if starts_bulk or not bulk else self._batches_since_bulk + 1
        batch = [bulk[0] if starts_bulk else interactive[0]]
        if starts_bulk:
            self._fill(batch, bulk, max_tokens=self._max_bulk_tokens())
            self._fill(batch, interactive, max_tokens=self.max_batch_tokens)
        else:
            self._fill(batch, interactive, max_tokens=self.max_batch_tokens)
            self._fill(batch, bulk, max_tokens=self._max_bulk_tokens())
        taken = set(map(id, batch))
        self._remove(interactive, taken)
        self._remove(bulk, taken)
        self._tokens -= sum(item.size.tokens for item in batch)
        return batch

    def _max_bulk_tokens(self) -> int:
        """The most padded tokens of a batch to which a bulk item is added."""
        is_visited = self._clock() - self._last_interactive_s < PRESENT_S
        return min(self.max_batch_tokens, BULK_TOKENS) if is_visited else self.max_batch_tokens

    @staticmethod
    def _fill(
        batch: list[_Item[Payload, Result]],
        line: deque[_Item[Payload, Result]],
        *,
        max_tokens: int,
    ) -> None:
        """Adds items of `line` that fit, those whose length is closest to the first item's first.

        They are of the first item's group, and the batch has at most `max_tokens` padded tokens.
        """
        if not line:
            return
        first = batch[0]
        rows = sum(item.size.rows for item in batch)
        longest = max(item.size.longest for item in batch)
        window = list(islice(line, LOOK_AHEAD_ITEMS))
        window.sort(key=lambda item: abs(item.size.longest - first.size.longest))
        for item in window:
            padded = max(longest, item.size.longest)
            fits = (rows + item.size.rows) * padded <= max_tokens
            if fits and item is not first and item.group == first.group:
                batch.append(item)
                rows, longest = rows + item.size.rows, padded

    @staticmethod
    def _remove(line: deque[_Item[Payload, Result]], taken: set[int]) -> None:
        """Takes items out of the look-ahead; the rest of a long line is not touched."""
        head = [line.popleft() for _ in range(min(len(line), LOOK_AHEAD_ITEMS))]
        line.extendleft(item for item in reversed(head) if id(item) not in taken)

    def _begin(self, item: _Item[Payload, Result]) -> bool:
        """Marks an item as running; False if it was cancelled or has waited too long."""
        if not item.future.set_running_or_notify_cancel():
            self.counters.cancelled += 1
            return False
        waited_s = self._clock() - item.submitted_s
        if self._clock() > item.deadline_s:
            self.counters.expired += 1
            error = ModelTimedOut(self._wait_s(self._tokens), waited_s=waited_s)
            item.future.set_exception(error)
            return False
        return True

    def _compute(self, batch: list[_Item[Payload, Result]]) -> None:
        started_s = self._clock()
        try:
            values = self._run([item.payload for item in batch])
            if len(values) != len(batch):
                raise ModelError(f"A batch of {len(batch)} items gave {len(values)} values.")
        except BaseException as error:  # noqa: BLE001 - the item gets it, and the thread goes on
            if len(batch) == 1:
                self.counters.failed += 1
                batch[0].future.set_exception(error)
                return
            # An item of the batch is to blame. Alone, it cannot make the others fail.
            logger.warning(
                "A batch of %d failed, its items are computed alone: %s", len(batch), error
            )
            for item in batch:
                self._compute([item])
            return
        took_s = self._clock() - started_s
        self._count(batch, took_s)
        for item, value in zip(batch, values, strict=True):
            queue_ms = (started_s - item.submitted_s) * 1000
            timing = Timing(queue_ms, took_s * 1000)
            try:
                result = self._finish(item.payload, value, timing)
            except BaseException as error:  # noqa: BLE001 - the item gets it, and the thread goes on
                self.counters.failed += 1
                item.future.set_exception(error)
            else:
                self.counters.done += 1
                self.counters.queue_s.add(queue_ms / 1000)
                item.future.set_result(result)

    def _count(self, batch: Iterable[_Item[Payload, Result]], took_s: float) -> None:
        sizes = [item.size for item in batch]
        rows = sum(size.rows for size in sizes)
        tokens = rows * max(size.longest for size in sizes)
        self.counters.inference_s.add(took_s)
        self.counters.batch_rows.add(rows)
        self.counters.batch_tokens.add(tokens)
        speed = tokens / max(took_s, 1e-6)
        mean = self._tokens_per_s or speed
        self._tokens_per_s = mean + SPEED_WEIGHT * (speed - mean)

    def _wait_s(self, tokens: int) -> float:
        """The seconds that `tokens` tokens take, estimated from the batches so far."""
        return tokens / self._tokens_per_s if self._tokens_per_s else 0.0
