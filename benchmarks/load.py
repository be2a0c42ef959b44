"""Visitors who click Predict without a pause, each with the next of the real texts.

Run as a process of its own: python -m benchmarks.load KIND URL VISITORS SECONDS
"""

import json
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

from benchmarks.texts import texts
from benchmarks.visitor import Visitor

Click = Callable[[str], None]


def main(kind: str, url: str, visitors: int, seconds: float) -> dict[str, Any]:
    """Throughput in predictions a second, latency in ms from a click to the whole answer."""
    every = texts(600)
    number, lock = count(), threading.Lock()
    times_ms: list[float] = []
    errors: list[str] = []
    ready = threading.Barrier(visitors + 1)
    begins = threading.Event()
    ends_s = [0.0]

    def visit() -> None:
        with connected(kind, url) as click:
            try:
                click("The first click opens what has to be opened.")
            except BaseException:
                ready.abort()
                raise
            ready.wait(120)
            begins.wait()
            while time.perf_counter() < ends_s[0]:
                # A number in front: nobody answers from a cache.
                i = next(number)
                started_s = time.perf_counter()
                try:
                    click(f"{i} {every[i % len(every)]}")
                except Exception as error:  # noqa: BLE001 - counted
                    with lock:
                        errors.append(repr(error))
                    return
                with lock:
                    times_ms.append((time.perf_counter() - started_s) * 1000)

    threads = [threading.Thread(target=visit) for _ in range(visitors)]
    for thread in threads:
        thread.start()
    ready.wait(300)
    started_s = time.perf_counter()
    ends_s[0] = started_s + seconds
    begins.set()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - started_s
    return {
        "per_s": len(times_ms) / took_s,
        "median_ms": statistics.median(times_ms),
        "p95_ms": statistics.quantiles(times_ms, n=20)[-1],
        "errors": len(errors),
        "first_error": errors[:1],
    }


@contextmanager
def connected(kind: str, url: str) -> Iterator[Click]:
    """A visitor of an app; what it gives predicts a text."""
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
            one["id"] for one in config["dependencies"] if one["api_name"] == "predict"
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
