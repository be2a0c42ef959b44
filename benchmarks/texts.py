"""Real texts to measure with: tweets, reviews and newspaper sentences that came with VADER."""

from functools import cache

from model.export.parity import TEXTS


@cache
def texts(count: int) -> list[str]:
    """So many of them, always the same, from all four sources."""
    return TEXTS.read_text(encoding="utf-8").splitlines()[:count]
