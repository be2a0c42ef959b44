"""How far background work is, in words."""

import pytest

from ui.parts.progress import in_words


@pytest.mark.parametrize(
    ("done", "per_s", "text"),
    [
        (0, 0, "0 of 9,000"),
        (1_000, 200, "1,000 of 9,000 · 200 a second · about 40 s left"),
        (1_000, 40, "1,000 of 9,000 · 40 a second · about 3 min left"),
        (8_999, 200, "8,999 of 9,000 · 200 a second · about 1 s left"),
    ],
)
def test_rate_and_time_left_are_told_once_they_are_known(
    done: int, per_s: float, text: str
) -> None:
    assert in_words(done, 9_000, per_s) == text
