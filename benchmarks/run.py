"""Measures and writes benchmarks/RESULTS.md.

One visitor clicks Predict on texts of a usual length, against `streamlit run` on this machine.
"""

import os
import platform
import re
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.visitor import Visitor
from tests.browser.conftest import serving
from tests.conftest import free_port

RESULTS = Path(__file__).parent / "RESULTS.md"
CLICKS = 200
WARM_UP = 20
TEXTS = (
    "The battery lasts two days and the screen is gorgeous.",
    "They cancelled my order twice and nobody answers the phone.",
    "The meeting moved to Tuesday at ten.",
    "Well, that went about as well as expected.",
    "I had hoped for more, but the soup was warm and the waiter kind.",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.perf_counter()
        with serving(Path(folder, "log.db"), port=free_port()) as url:
            port_s = time.perf_counter() - started_s
            with Visitor(url) as visitor:
                visitor.predict("The first prediction waits for the model.")
                first_s = time.perf_counter() - started_s
                texts = [f"{i} {TEXTS[i % len(TEXTS)]}" for i in range(WARM_UP + CLICKS)]
                clicks = [visitor.predict(text) for text in texts]
                reruns = [visitor.rerun() for _ in range(CLICKS)]
            (server,) = psutil.Process().children()
            memory_mb = server.memory_info().rss / 1e6
    cards = [card for card, _ in clicks[WARM_UP:]]
    ends = [end for _, end in clicks[WARM_UP:]]
    lines = [
        "# Measured",
        "",
        f"`make bench` on {machine()}, Python {platform.python_version()} and the versions in",
        "requirements.txt. One visitor over the WebSocket protocol, as in benchmarks/visitor.py;",
        "what a browser spends on drawing is not in it.",
        "",
        "| what | median | 95 of 100 |",
        "| --- | --- | --- |",
        row("click on Predict to the card", cards),
        row("click on Predict to the end of the run: rating form shown, prediction stored", ends),
        row("a rerun without a prediction", reruns),
        "",
        f"From start to a port that answers {port_s:.1f} s, to a first prediction {first_s:.1f} s.",
        f"Memory of the process after that: {memory_mb:.0f} MB.",
        "",
    ]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def row(what: str, times_ms: list[float]) -> str:
    p95 = statistics.quantiles(times_ms, n=20)[-1]
    return f"| {what} | {statistics.median(times_ms):.1f} ms | {p95:.1f} ms |"


def machine() -> str:
    """The processor, its cores and memory."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    name = found[1] if found else platform.processor() or platform.machine()
    memory_gb = psutil.virtual_memory().total / 2**30
    return f"{name}, {os.cpu_count()} cores, {memory_gb:.0f} GB"


if __name__ == "__main__":
    main()
