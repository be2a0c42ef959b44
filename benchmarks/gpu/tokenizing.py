"""Texts a second of the bundled tokenizer alone: python -m benchmarks.gpu.tokenizing ROUNDS.

A process for each number of threads, since the library reads RAYON_NUM_THREADS once.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.running import NotMeasured, reason
from benchmarks.texts import long_texts, repeated
from model.sources import HOME
from model.tokenizer import Tokenizer, Traits

LIMIT_S = 30
SHORT, LONG = 2400, 240  # texts
TRAITS = Traits(
    max_tokens=512,
    takes=("input_ids", "token_type_ids", "attention_mask"),
    pads_right=True,
    truncates_right=True,
    marks_subwords=True,
    mask_token="[MASK]",
    mask_id=103,
    unknown_id=100,
)


def rates(threads: int, *, rounds: int) -> dict[str, float]:
    """The rates of short and long texts, with so many threads; raises NotMeasured."""
    settings = {"RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.tokenizing", str(rounds)],
        cwd=HOME,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    if done.returncode:
        raise NotMeasured(reason(done.stderr))
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main(rounds: int) -> None:
    file = HOME / "model" / "bundled" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(file, TRAITS)
    texts = {"short": repeated(SHORT), "long": long_texts(LONG)}
    print(json.dumps({name: _rate(tokenizer, texts[name], rounds) for name in texts}))


def _rate(tokenizer: Tokenizer, texts: Sequence[str], rounds: int) -> float:
    tokenizer.rows(texts)
    times = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        tokenizer.rows(texts)
        times.append(time.perf_counter() - started_s)
    return len(texts) / statistics.median(times)


if __name__ == "__main__":
    main(int(sys.argv[1]))
