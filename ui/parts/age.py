"""Ages and times in words. Knows no Streamlit."""

from datetime import datetime

UNITS = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600))
MINUTE_S = 60


def age(then: datetime, now: datetime) -> str:
    """The time from `then` to `now` in words, such as "3 days"; it is rounded down."""
    seconds = max(0.0, (now - then).total_seconds())
    for unit, length_s in (*UNITS, ("minute", MINUTE_S)):
        if seconds >= length_s:
            count = int(seconds // length_s)
            return f"{count} {unit if count == 1 else f'{unit}s'}"
    return "a moment"


def day_and_time(then: datetime) -> str:
    """A time as pages show it, in UTC to the minute."""
    return f"{then:%Y-%m-%d %H:%M} UTC"
