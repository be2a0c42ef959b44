"""Real texts to measure with: tweets, reviews and newspaper sentences that came with VADER."""

from functools import cache
from itertools import cycle, islice

from model.export.parity import TEXTS

LONG_WORDS = 300


@cache
def texts(count: int) -> list[str]:
    """So many of them, always the same, from all four sources."""
    return TEXTS.read_text(encoding="utf-8").splitlines()[:count]


def repeated(count: int) -> list[str]:
    """So many of them; each comes again where there are not as many."""
    return list(islice(cycle(texts(600)), count))


def long_texts(count: int) -> list[str]:
    """So many texts of 300 words or a few more, which are about 400 tokens; 600 at most.

    Each joins the texts from another one on.
    """
    every = texts(600)
    joined = []
    for start in range(count):
        words: list[str] = []
        for text in islice(cycle(every), start, None):
            words += text.split()
            if len(words) >= LONG_WORDS:
                break
        joined.append(" ".join(words))
    return joined
