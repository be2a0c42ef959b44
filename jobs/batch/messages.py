"""Log messages of a command on standard error: a line each, without tracebacks. Knows no job."""

import logging
from math import inf

AGAIN_AFTER_S = 60.0
UNEXPECTED = "tryout.jobs.batch"  # the logger of errors whose traceback is wanted


class _OneLine(logging.Formatter):
    """The message and the reason, which is the first line of the exception."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or record.name == UNEXPECTED:
            return super().format(record)
        lines = str(getattr(error, "orig", None) or error).strip().splitlines()
        return f"{record.getMessage()}: {lines[0] if lines else repr(error)}"


class _NotAgain(logging.Filter):
    """Drops a message of the last minute, as each attempt to reach a database logs one."""

    def __init__(self) -> None:
        super().__init__()
        self._at_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        is_new = record.created - self._at_s.get(message, -inf) >= AGAIN_AFTER_S
        if is_new:
            self._at_s[message] = record.created
        return is_new


def one_line_each() -> logging.Handler:
    """A handler that writes to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    handler.addFilter(_NotAgain())
    return handler
