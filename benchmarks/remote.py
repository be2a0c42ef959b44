"""The cost of a model behind a URL on the same machine, in ms and MB.

Run as a process of its own: python -m benchmarks.remote SERVICE LOCAL REMOTE PID CLICKS, the URLs
of a service and of two apps, one with its own model and one with that of the service, and the
process of that one. Prints its figures so far after each of them.
"""

import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.texts import texts
from benchmarks.visitor import Visitor
from feedback import Entry, FeedbackLog
from model import Model

WARM_UP = 30
VISITORS = 16
CLICKS_EACH = 5
JSON = "application/json"
TURN = 10  # measurements of one side before those of the other
LOCAL, REMOTE, MORE = "a click, ms", "a click with a model behind a URL, ms", "the difference, ms"
CALL, REQUEST = "Model.submit and storing, ms", "a request of a lone client, ms"
OVER = "the difference to the call, ms"
MEMORY = f"memory of the pages without a model after {VISITORS} visitors, USS in MB"
Measure = Callable[[str], float]


def main(service: str, local: str, remote: str, pid: int, clicks: int) -> None:
    figures: dict[str, float] = {}
    with Visitor(local) as at_local, Visitor(remote) as at_remote:
        first, second = (
            lambda text: at_local.predict(text)[0],
            lambda text: at_remote.predict(text)[0],
        )
        figures |= zip((LOCAL, REMOTE, MORE), in_turns(first, second, clicks), strict=True)
    print(json.dumps(figures), flush=True)
    with ExitStack() as stack:
        visitors = [stack.enter_context(Visitor(remote)) for _ in range(VISITORS)]
        for number, text in enumerate(texts(VISITORS * CLICKS_EACH)):
            visitors[number % VISITORS].predict(text)
        figures[MEMORY] = psutil.Process(pid).memory_full_info().uss / 1e6
    print(json.dumps(figures), flush=True)
    figures |= zip((CALL, REQUEST, OVER), lone(service, clicks), strict=True)
    print(json.dumps(figures), flush=True)


def in_turns(first: Measure, second: Measure, count: int) -> tuple[float, float, float]:
    """The medians of both for the same texts, and the median of their differences."""
    pairs: list[tuple[float, float]] = []
    for start in range(0, WARM_UP + count, TURN):
        some = texts(WARM_UP + count)[start : start + TURN]
        pairs += zip(map(first, some), map(second, some), strict=True)
    ones, others = zip(*pairs[WARM_UP:], strict=True)
    differences = [other - one for one, other in pairs[WARM_UP:]]
    return statistics.median(ones), statistics.median(others), statistics.median(differences)


def lone(service: str, count: int) -> tuple[float, float, float]:
    """A call in this process against a request over a kept connection; both store predictions."""
    model = Model("model/bundled", dtype="auto")
    model.load()
    address = urlsplit(service)
    with (
        closing(http.client.HTTPConnection(str(address.hostname), address.port)) as connection,
        closing(model),
        tempfile.TemporaryDirectory() as folder,
    ):
        log = FeedbackLog(f"sqlite:///{Path(folder, 'log.db')}")

        def call(text: str) -> None:
            prediction = model.submit(text).result()
            log.record(Entry(prediction=prediction, source="api", session_id="api"))

        def request(text: str) -> None:
            body = json.dumps({"texts": [text]})
            connection.request("POST", "/api/predictions", body, {"Content-Type": JSON})
            answer = connection.getresponse().read()
            if b"predictions" not in answer:
                raise RuntimeError(answer[:200].decode())

        return in_turns(partial(timed_ms, call), partial(timed_ms, request), count)


def timed_ms(run: Callable[[str], None], text: str) -> float:
    started_s = time.perf_counter()
    run(text)
    return (time.perf_counter() - started_s) * 1000


if __name__ == "__main__":
    service, local, remote, pid, clicks = sys.argv[1:]
    main(service, local, remote, int(pid), int(clicks))
