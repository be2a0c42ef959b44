"""Waits for what another thread brings about."""

import time
from collections.abc import Callable

WAIT_S = 60


def until(holds: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
