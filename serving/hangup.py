"""SIGHUP: the signal by which a server is asked to read its configuration anew.

A terminal that is closed sends it, too, to what it has started; that must still end. Knows neither
model nor settings.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STDIN = 0


@contextmanager
def on_hangup(call: Callable[[], object]) -> Iterator[None]:
    """Calls `call`, which must not block, on the event loop at each SIGHUP.

    Before and after, the signal ends the process: whatever must be finished belongs inside.
    If the signal says that the terminal of this process is closed, the process ends as by SIGTERM.
    Does nothing outside of the main thread, which alone gets signals, and where there is no SIGHUP.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGHUP"):
        yield
        return
    began_in_terminal = os.isatty(STDIN)

    def hung_up() -> None:
        if began_in_terminal and not os.isatty(STDIN):
            signal.raise_signal(signal.SIGTERM)
        else:
            call()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hung_up)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
