"""Real texts to measure with: tweets, reviews and newspaper sentences that came with VADER."""

import random
from pathlib import Path

from model.bundled.train import read_examples

SDIST = Path(".cache/train/vaderSentiment-2.5.tar.gz")


def texts(count: int) -> list[str]:
    """So many of them, always the same, from all four sources; `make bench` fetches the file."""
    every = [
        one.text for examples in read_examples(SDIST).values() for _, one in examples if one.text
    ]
    return random.Random(7).sample(every, count)
