"""A visitor over the protocol, nobody beside, in ms: predictions, reruns, new pages.

Run as a process of its own: python -m benchmarks.alone URL PID CLICKS, with the server's id.
"""

import json
import statistics
import sys
import time

import psutil

from benchmarks.texts import texts
from benchmarks.visitor import Visitor

WARM_UP = 20
CARD = "click on Predict to the card"
STORED = "click on Predict to the end of the run, prediction stored"
RERUN = "a rerun without a prediction"
CPU = "CPU of such a rerun"
OPENING = "opening the page, WebSocket included"


def main(url: str, pid: int, clicks: int) -> dict[str, float]:
    """Medians by name; the CPU of a rerun is a mean, for a process's clock is coarse."""
    server = psutil.Process(pid)
    with Visitor(url) as visitor:
        times_ms = [visitor.predict(text) for text in texts(WARM_UP + clicks)][WARM_UP:]
        before = server.cpu_times()
        reruns_ms = [visitor.rerun() for _ in range(clicks)]
        after = server.cpu_times()
    openings_ms = [opening_ms(url) for _ in range(WARM_UP)]
    cpu_s = after.user + after.system - before.user - before.system
    return {
        CARD: statistics.median(card_ms for card_ms, _ in times_ms),
        STORED: statistics.median(end_ms for _, end_ms in times_ms),
        RERUN: statistics.median(reruns_ms),
        CPU: cpu_s / clicks * 1000,
        OPENING: statistics.median(openings_ms),
    }


def opening_ms(url: str) -> float:
    started_s = time.perf_counter()
    with Visitor(url):
        return (time.perf_counter() - started_s) * 1000


if __name__ == "__main__":
    url, pid, clicks = sys.argv[1:]
    print(json.dumps(main(url, int(pid), int(clicks))))
