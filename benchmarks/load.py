"""Visitors who click Predict without a pause, each with the next of the real texts.

Run as a process of its own: python -m benchmarks.load KIND URL VISITORS SECONDS
"""

import json
import queue
import secrets
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx2

from benchmarks.running import TOO_SLOW
from benchmarks.texts import texts
from benchmarks.visitor import Visitor

Click = Callable[[str], None]
OPENS_S = 45  # in which all visitors of a room have their first answer, or it is too slow
CLOSES_S = 60  # in which those have their last answer who clicked before the time was over


def main(kind: str, url: str, visitors: int, seconds: float) -> dict[str, Any]:
    """Throughput in predictions a second, latency in ms from a click to the whole answer.

    Ends the process with a sentence if the app is too slow for so many visitors, or fails.
    """
    room = Room(kind, url, visitors)
    room.open()
    took_s = room.measure(seconds)
    if len(room.times_ms) < 2:
        raise SystemExit(f"{len(room.times_ms)} predictions, the first error: {room.errors[:1]}")
    return {
        "per_s": len(room.times_ms) / took_s,
        "median_ms": statistics.median(room.times_ms),
        "p95_ms": statistics.quantiles(room.times_ms, n=20)[-1],
        "errors": len(room.errors),
        "first_error": room.errors[:1],
    }


class Room:
    """Visitors of an app, a thread each. Daemons: a room that is too slow is left at once."""

    def __init__(self, kind: str, url: str, visitors: int) -> None:
        self.times_ms: list[float] = []
        self.errors: list[str] = []
        self._kind, self._url = kind, url
        self._texts, self._number = texts(600), count()
        self._lock = threading.Lock()
        self._opened: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._begins = threading.Event()
        self._ends_s = 0.0
        self._threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(visitors)]

    def open(self) -> None:
        """Returns when each visitor has clicked once; raises the first error of any of them."""
        latest_s = time.perf_counter() + OPENS_S
        for thread in self._threads:
            thread.start()
        visitors = len(self._threads)
        for served in range(visitors):
            try:
                error = self._opened.get(timeout=max(0, latest_s - time.perf_counter()))
            except queue.Empty:
                raise SystemExit(
                    f"{TOO_SLOW}: {served} of {visitors} visitors had their first answer "
                    f"within {OPENS_S} s"
                ) from None
            if error:
                raise error

    def measure(self, seconds: float) -> float:
        """Lets all visitors click for so long; returns the seconds until the last answer."""
        started_s = time.perf_counter()
        self._ends_s = started_s + seconds
        self._begins.set()
        for thread in self._threads:
            thread.join(max(0, self._ends_s + CLOSES_S - time.perf_counter()))
        if any(thread.is_alive() for thread in self._threads):
            raise SystemExit(f"{TOO_SLOW}: clicks without an answer after {CLOSES_S} s")
        return time.perf_counter() - started_s

    def _visit(self) -> None:
        try:
            with connected(self._kind, self._url) as click:
                click("The first click opens what has to be opened.")
                self._opened.put(None)
                self._begins.wait()
                self._click_on(click)
        except Exception as error:  # noqa: BLE001 - `open` raises it
            self._opened.put(error)

    def _click_on(self, click: Click) -> None:
        """Clicks until the time is over; a visitor whose click fails leaves."""
        while time.perf_counter() < self._ends_s:
            # A number in front: nobody answers from a cache.
            i = next(self._number)
            started_s = time.perf_counter()
            try:
                click(f"{i} {self._texts[i % len(self._texts)]}")
            except Exception as error:  # noqa: BLE001 - counted
                with self._lock:
                    self.errors.append(repr(error))
                return
            with self._lock:
                self.times_ms.append((time.perf_counter() - started_s) * 1000)


@contextmanager
def connected(kind: str, url: str) -> Iterator[Click]:
    """A visitor of an app, as a function that predicts a text."""
    if kind == "gradio":
        with httpx2.Client(base_url=url, timeout=120) as client:
            yield GradioVisitor(client).predict
        return
    with Visitor(url) as visitor:
        yield lambda text: visitor.predict(text) and None


class GradioVisitor:
    """A click as Gradio's page sends it: a POST into the queue, then the session's events."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._session = secrets.token_hex(6)
        config = client.get("/config").raise_for_status().json()
        (self._function,) = (
            function["id"]
            for function in config["dependencies"]
            if function["api_name"] == "predict"
        )

    def predict(self, text: str) -> None:
        asked = {
            "data": [text],
            "fn_index": self._function,
            "session_hash": self._session,
            "event_data": None,
            "trigger_id": None,
        }
        self._client.post("/gradio_api/queue/join", json=asked).raise_for_status()
        address = f"/gradio_api/queue/data?session_hash={self._session}"
        with self._client.stream("GET", address) as events:
            body = "".join(events.iter_text())
        if '"msg":"process_completed"' not in body or '"success":true' not in body:
            raise RuntimeError(body[-300:])


if __name__ == "__main__":
    kind, url, visitors, seconds = sys.argv[1:]
    print(json.dumps(main(kind, url, int(visitors), float(seconds))))
