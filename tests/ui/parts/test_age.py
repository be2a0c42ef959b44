"""Ages in words."""

from datetime import UTC, datetime, timedelta

import pytest

from ui.parts.age import age, day_and_time

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (timedelta(seconds=-5), "a moment"),  # a clock that is behind
        (timedelta(seconds=59), "a moment"),
        (timedelta(seconds=60), "1 minute"),
        (timedelta(minutes=59, seconds=59), "59 minutes"),
        (timedelta(hours=23, minutes=59), "23 hours"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=29), "29 days"),
        (timedelta(days=61), "2 months"),
        (timedelta(days=800), "2 years"),
    ],
)
def test_an_age_is_rounded_down_in_its_largest_unit(passed: timedelta, expected: str) -> None:
    assert age(NOW - passed, NOW) == expected


def test_a_time_is_utc_to_the_minute() -> None:
    assert day_and_time(NOW) == "2026-11-28 12:00 UTC"
