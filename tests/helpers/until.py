"""Waits for what another thread brings about."""

import time
from collections.abc import Callable

WAIT_S = 240  # for a machine that has much else to do


def until(holds: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
