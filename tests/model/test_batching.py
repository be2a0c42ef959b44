"""The micro-batcher with a forward pass and a clock that the test holds in its hands."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import ModelBusy, ModelClosed, ModelError
from model.batching import BULK_TOKENS, LOOK_AHEAD_ITEMS, PRESENT_S, MicroBatcher, Size, Timing

WAIT_S = 20


@dataclass
class Gate:
    """A forward pass that notes its batches, and waits to be let through while it is shut."""

    shut: bool = False
    batches: list[list[Any]] = field(default_factory=list)
    began: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    open: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def run(self, works: Sequence[Any]) -> list[Any]:
        self.batches.append(list(works))
        if self.shut:
            self.began.release()
            assert self.open.acquire(timeout=WAIT_S)
        if any(str(work).startswith("bad") for work in works):
            raise ValueError("bad input")
        return [f"{work}!" for work in works]

    def wait(self) -> None:
        """Until a batch has begun."""
        assert self.began.acquire(timeout=WAIT_S)


def finish(work: Any, value: Any, timing: Timing) -> Any:
    if str(work).startswith("unfinished"):
        raise ModelError("no result")
    return value


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def batcher(gate: Gate) -> Iterator[MicroBatcher[Any, Any, Any]]:
    made: MicroBatcher[Any, Any, Any] = MicroBatcher(gate.run, finish, max_batch_tokens=100)
    yield made
    gate.shut = False
    gate.open.release(10_000)
    made.close()


def hold(batcher: MicroBatcher[Any, Any, Any], gate: Gate) -> Future[Any]:
    """Has the worker compute an item until the gate is opened, so that a queue can gather."""
    gate.shut = True
    held = batcher.submit("held", Size(1, 1))
    gate.wait()
    return held


def let_go(gate: Gate) -> None:
    gate.shut = False
    gate.open.release()


def results(futures: Sequence[Future[Any]]) -> list[Any]:
    return [future.result(WAIT_S) for future in futures]


def test_a_free_worker_computes_at_once(batcher: MicroBatcher[Any, Any, Any], gate: Gate) -> None:
    for n in range(20):
        assert batcher.submit(n, Size(1, 5)).result(WAIT_S) == f"{n}!"
    assert gate.batches == [[n] for n in range(20)], "nobody waited for company"


def test_what_gathers_is_one_batch(batcher: MicroBatcher[Any, Any, Any], gate: Gate) -> None:
    hold(batcher, gate)
    futures = [batcher.submit(n, Size(1, 5)) for n in range(12)]
    let_go(gate)
    assert results(futures) == [f"{n}!" for n in range(12)]
    assert gate.batches[1:] == [list(range(12))]


def test_a_batch_has_no_more_padded_tokens_than_allowed(
    batcher: MicroBatcher[Any, Any, Any], gate: Gate
) -> None:
    hold(batcher, gate)
    lengths = [random.Random(7).randint(1, 60) for _ in range(80)]
    futures = [batcher.submit((n, length), Size(1, length)) for n, length in enumerate(lengths)]
    let_go(gate)
    results(futures)
    for batch in gate.batches[1:]:
        assert len(batch) * max(length for _, length in batch) <= 100
    padded = sum(len(b) * max(length for _, length in b) for b in gate.batches[1:])
    assert padded < 1.5 * sum(lengths), "alike lengths go together"


def test_an_item_that_is_too_large_goes_alone(
    batcher: MicroBatcher[Any, Any, Any], gate: Gate
) -> None:
    hold(batcher, gate)
    futures = [batcher.submit("huge", Size(3, 500)), batcher.submit("small", Size(1, 1))]
    let_go(gate)
    assert results(futures) == ["huge!", "small!"]
    assert ["huge"] in gate.batches


def test_an_item_of_several_rows_counts_them(
    batcher: MicroBatcher[Any, Any, Any], gate: Gate
) -> None:
    hold(batcher, gate)
    futures = [batcher.submit(n, Size(4, 10)) for n in range(5)]
    let_go(gate)
    results(futures)
    assert [len(batch) for batch in gate.batches[1:]] == [2, 2, 1]


def test_the_oldest_is_always_in_the_batch(
    batcher: MicroBatcher[Any, Any, Any], gate: Gate
) -> None:
    hold(batcher, gate)
    old = batcher.submit("old", Size(1, 90))
    futures = [batcher.submit(n, Size(1, 2)) for n in range(300)]
    let_go(gate)
    results([old, *futures])
    assert "old" in gate.batches[1], "short ones that fit better do not starve it"


def test_a_long_queue_is_looked_at_in_part_only(
    batcher: MicroBatcher[Any, Any, Any], gate: Gate
) -> None:
    hold(batcher, gate)
    first = [batcher.submit("long", Size(1, 50)) for _ in range(LOOK_AHEAD_ITEMS)]
    behind = batcher.submit("behind", Size(1, 50))
    let_go(gate)
    results([*first, behind])
    assert "behind" not in gate.batches[1]
    assert gate.batches[-1] == ["behind"], "order holds"


def test_the_visitor_goes_before_bulk_which_still_moves(
    batcher: MicroBatcher[Any, Any, Any], gate: Gate
) -> None:
    hold(batcher, gate)
    bulk = [batcher.submit(f"bulk {n}", Size(1, 100), bulk=True) for n in range(3)]
    quick = [batcher.submit(f"quick {n}", Size(1, 100)) for n in range(7)]
    let_go(gate)
    results([*bulk, *quick])
    order = [batch[0].split()[0] for batch in gate.batches[1:]]
    assert order == [*["quick"] * 3, "bulk", *["quick"] * 3, "bulk", "quick", "bulk"]


def test_batches_with_bulk_are_small_while_somebody_is_there(gate: Gate) -> None:
    """Else who clicks next waits for a batch that is many times as long as a click's own."""
    now = [0.0]
    batcher: MicroBatcher[Any, Any, Any] = MicroBatcher(
        gate.run, finish, max_batch_tokens=4 * BULK_TOKENS, clock=lambda: now[0]
    )
    texts = Size(1, BULK_TOKENS // 2)
    sizes = []
    for clicks in (0, 1, 0, 0):
        gate.shut = True
        first = batcher.submit("first", texts, bulk=not clicks)
        gate.wait()
        more = [batcher.submit("bulk", texts, bulk=True) for _ in range(8)]
        gate.shut = False
        gate.open.release()
        results([first, *more])
        sizes.append([len(batch) for batch in gate.batches])
        gate.batches.clear()
        now[0] += PRESENT_S / 2 + 0.1
    nobody, somebody = [1, 8], [1, 2, 2, 2, 2]
    assert sizes == [nobody, somebody, somebody, nobody]
    batcher.close()


def test_bulk_fills_the_room_that_is_left(batcher: MicroBatcher[Any, Any, Any], gate: Gate) -> None:
    hold(batcher, gate)
    futures = [batcher.submit("bulk", Size(1, 20), bulk=True), batcher.submit("quick", Size(1, 20))]
    let_go(gate)
    results(futures)
    assert gate.batches[1:] == [["quick", "bulk"]]


def test_a_full_queue_says_how_long_to_wait(gate: Gate) -> None:
    now = [0.0]
    batcher: MicroBatcher[Any, Any, Any] = MicroBatcher(
        gate.run, finish, max_batch_tokens=100, max_items=3, clock=lambda: now[0]
    )
    hold(batcher, gate)
    now[0] = 0.5  # one token in half a second
    let_go(gate)
    batcher.submit("more", Size(1, 1)).result(WAIT_S)
    gate.shut = True
    batcher.submit("held", Size(1, 1))
    gate.wait()
    for n in range(3):
        batcher.submit(n, Size(1, 10))
    with pytest.raises(ModelBusy, match=r"Try again in") as caught:
        batcher.submit("too much", Size(1, 1))
    assert caught.value.wait_s > 0
    assert batcher.counters.rejected == 1
    let_go(gate)
    batcher.close()


def test_the_queue_is_bounded_in_tokens_too(gate: Gate) -> None:
    batcher: MicroBatcher[Any, Any, Any] = MicroBatcher(gate.run, finish, max_tokens=50)
    hold(batcher, gate)
    kept = batcher.submit("large", Size(1, 90))
    with pytest.raises(ModelBusy):
        batcher.submit("small", Size(1, 1))
    let_go(gate)
    assert kept.result(WAIT_S) == "large!", "an empty queue takes an item of any size"
    batcher.close()


def test_what_waited_too_long_is_not_computed(gate: Gate) -> None:
    now = [0.0]
    batcher: MicroBatcher[Any, Any, Any] = MicroBatcher(gate.run, finish, clock=lambda: now[0])
    hold(batcher, gate)
    late = batcher.submit("late", Size(1, 1), timeout_s=2)
    in_time = batcher.submit("in time", Size(1, 1), timeout_s=4)
    now[0] = 3.0
    let_go(gate)
    assert in_time.result(WAIT_S) == "in time!"
    with pytest.raises(ModelBusy, match=r"waited 3 s"):
        late.result(WAIT_S)
    assert gate.batches[1:] == [["in time"]]
    assert batcher.counters.expired == 1
    batcher.close()


def test_what_was_cancelled_is_not_computed(
    batcher: MicroBatcher[Any, Any, Any], gate: Gate
) -> None:
    held = hold(batcher, gate)
    gone, stays = batcher.submit("gone", Size(1, 1)), batcher.submit("stays", Size(1, 1))
    assert gone.cancel()
    assert not held.cancel(), "it is being computed"
    let_go(gate)
    assert stays.result(WAIT_S) == "stays!"
    assert gate.batches[1:] == [["stays"]]
    assert batcher.counters.cancelled == 1


@pytest.mark.parametrize("wrong", ["bad", "unfinished"])
def test_one_bad_item_hurts_no_other(
    batcher: MicroBatcher[Any, Any, Any], gate: Gate, wrong: str
) -> None:
    hold(batcher, gate)
    futures = [batcher.submit(work, Size(1, 1)) for work in (1, wrong, 2)]
    let_go(gate)
    assert futures[0].result(WAIT_S) == "1!"
    assert futures[2].result(WAIT_S) == "2!"
    with pytest.raises((ValueError, ModelError)):
        futures[1].result(WAIT_S)
    assert batcher.counters.failed == 1
    assert batcher.submit("next", Size(1, 1)).result(WAIT_S) == "next!"


def test_a_forward_pass_that_loses_items_is_an_error() -> None:
    batcher: MicroBatcher[Any, Any, Any] = MicroBatcher(lambda works: [], finish)
    with pytest.raises(ModelError, match="1 items gave 0 values"):
        batcher.submit(1, Size(1, 1)).result(WAIT_S)
    batcher.close()


def test_close_fails_what_waits_and_refuses_what_comes(
    batcher: MicroBatcher[Any, Any, Any], gate: Gate
) -> None:
    held = hold(batcher, gate)
    waiting = [batcher.submit(n, Size(1, 1), bulk=bool(n % 2)) for n in range(9)]
    readers = ThreadPoolExecutor(9)
    told = [readers.submit(future.result, WAIT_S) for future in waiting]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    for one in told:
        with pytest.raises(ModelClosed):
            one.result(WAIT_S)
    let_go(gate)
    assert held.result(WAIT_S) == "held!"
    closing.join(WAIT_S)
    with pytest.raises(ModelClosed):
        batcher.submit("late", Size(1, 1))
    batcher.close()
    readers.shutdown()


def test_a_callback_may_close_it(batcher: MicroBatcher[Any, Any, Any]) -> None:
    batcher.submit(1, Size(1, 1)).add_done_callback(lambda _: batcher.close())
    deadline = time.monotonic() + WAIT_S
    while batcher._worker.is_alive():
        assert time.monotonic() < deadline


def test_the_place_in_the_queue(batcher: MicroBatcher[Any, Any, Any], gate: Gate) -> None:
    held = hold(batcher, gate)
    futures = [batcher.submit(n, Size(1, 10)) for n in range(3)]
    bulk = batcher.submit("bulk", Size(1, 1), bulk=True)
    places = [batcher.place(future) for future in (*futures, bulk)]
    assert [place.ahead for place in places if place] == [0, 1, 2, 3]
    assert batcher.place(held) is None
    assert batcher.depth == 4
    let_go(gate)
    results([*futures, bulk])
    assert batcher.place(bulk) is None


def test_it_counts(batcher: MicroBatcher[Any, Any, Any], gate: Gate) -> None:
    hold(batcher, gate)
    results_of = [batcher.submit(n, Size(2, 10)) for n in range(3)]
    let_go(gate)
    results(results_of)
    counters = batcher.counters
    assert counters.done == 4
    assert counters.batch_rows.total == 1 + 6
    assert counters.batch_tokens.total == 1 + 60
    assert sum(counters.queue_s.counts) == 4
    assert sum(counters.inference_s.counts) == 2


def test_a_thousand_threads_get_their_own_results(gate: Gate) -> None:
    batcher: MicroBatcher[Any, Any, Any] = MicroBatcher(gate.run, finish)
    start, got, lock = threading.Barrier(1000), {}, threading.Lock()

    def call(n: int) -> None:
        start.wait(WAIT_S)
        result = batcher.submit(n, Size(1, 1 + n % 50)).result(WAIT_S)
        with lock:
            got[n] = result

    threads = [threading.Thread(target=call, args=(n,)) for n in range(1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert got == {n: f"{n}!" for n in range(1000)}
    batcher.close()


actions = st.lists(
    st.tuples(
        st.sampled_from(["submit", "submit", "submit", "cancel", "pause"]),
        st.integers(1, 120),  # tokens
        st.booleans(),  # bulk
        st.sampled_from(["fine", "fine", "fine", "bad", "unfinished"]),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(actions, st.booleans())
def test_whatever_the_schedule_everybody_is_answered(schedule: list[Any], closes: bool) -> None:
    gate = Gate()
    batcher: MicroBatcher[Any, Any, Any] = MicroBatcher(
        gate.run, finish, max_batch_tokens=100, max_items=40
    )
    futures: list[tuple[str, Future[Any]]] = []
    rejected = 0
    for action, tokens, bulk, kind in schedule:
        if action == "submit":
            work = f"{kind} {len(futures)}"
            try:
                futures.append((work, batcher.submit(work, Size(1, tokens), bulk=bulk)))
            except ModelBusy:
                rejected += 1
        elif action == "cancel" and futures:
            futures[tokens % len(futures)][1].cancel()
        else:
            time.sleep(tokens / 1e5)
    if closes:
        batcher.close()
    for work, future in futures:
        try:
            assert future.result(WAIT_S) == f"{work}!"
            assert work.startswith("fine")
        except CancelledError:
            assert future.cancelled()
        except ModelClosed:
            assert closes
        except (ValueError, ModelError):
            assert work.startswith(("bad", "unfinished"))
    batcher.close()
    counters = batcher.counters
    answered = counters.done + counters.failed + counters.cancelled
    assert counters.rejected == rejected
    assert answered == len(futures) or closes or any(f.cancelled() for _, f in futures)
    for batch in gate.batches:
        assert len(set(batch)) == len(batch)
