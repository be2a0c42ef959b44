"""The progress of a run on standard error: a bar on a terminal, a line a minute elsewhere.

Knows no source and no log.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jobs.batch.running import RunCounts

BAR_EVERY_S = 0.5
LINE_EVERY_S = 60.0
RATE_OVER_S = 30.0
BAR_CHARS = 24


class Speed:
    """Rows a second over the last half minute."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []

    def add(self, done: int, now_s: float) -> float:
        """The speed with this many rows done now; 0 if it is not known yet."""
        self._marks = [mark for mark in self._marks if now_s - mark[0] < RATE_OVER_S]
        self._marks.append((now_s, done))
        (then_s, then_done) = self._marks[0]
        return (done - then_done) / (now_s - then_s) if now_s > then_s else 0.0


def in_words(counts: RunCounts, per_s: float, share_read: float | None) -> str:
    """The rows done, the speed, the time left if it is known, and the reason for a wait."""
    parts = [f"{counts.done:,} rows", f"{per_s:,.0f} a second"]
    if counts.stored.rejects:
        parts.append(f"{counts.stored.rejects:,} rejects")
    if per_s and share_read:
        expected = counts.wanted / share_read
        parts.append(f"about {_duration(max(0.0, expected - counts.done) / per_s)} left")
    if counts.away:
        parts.append(f"waiting: {counts.away}")
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def shown(counts: RunCounts, share_read: Callable[[], float | None]) -> Iterator[None]:
    """Shows the progress while the block runs."""
    is_over = threading.Event()
    is_terminal = sys.stderr.isatty()

    def show() -> None:
        speed, line_s, was_away = Speed(), time.monotonic(), ""
        while not is_over.wait(BAR_EVERY_S):
            now_s = time.monotonic()
            text = in_words(counts, speed.add(counts.done, now_s), share_read())
            if is_terminal:
                print(f"\r\x1b[K{_bar(share_read())}{text}", end="", file=sys.stderr, flush=True)
            elif now_s - line_s > LINE_EVERY_S or counts.away != was_away:
                print(text, file=sys.stderr, flush=True)
                line_s, was_away = now_s, counts.away

    thread = threading.Thread(target=show, name="show-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        if is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _bar(share: float | None) -> str:
    if share is None:
        return ""
    filled = round(min(share, 1.0) * BAR_CHARS)
    return f"[{'#' * filled}{'.' * (BAR_CHARS - filled)}] "
