"""Measures Model on a CUDA GPU against transformers' pipeline and a bare loop.

Three models, short and long texts, float32, bfloat16 and float16; then batches, padding and
transfers, texts that come one at a time, and the same predictions as on the CPU. Five minutes on a
large GPU; what has no time left is skipped. Prints a section for benchmarks/RESULTS.md.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine
from benchmarks.gpu import tokenizing
from benchmarks.gpu.meter import Key, Meter
from benchmarks.gpu.models import CANDIDATES, QUICK, Candidate
from benchmarks.gpu.parts import Parts
from benchmarks.gpu.report import section
from benchmarks.running import outcome
from benchmarks.trees import commit
from model.machine import usable_cores

ROUNDS = 3
LIMIT_S = 270


def main() -> None:
    given = arguments(sys.argv[1:])
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("torch finds no CUDA GPU here, so nothing was measured.")
    # Else the pipeline has all tokenizers of this process use a single thread from then on.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    given.out.mkdir(parents=True, exist_ok=True)
    facts = described(given.device) | {"rounds": ROUNDS, "quick": given.quick}
    meter = Meter(device=given.device, rounds=ROUNDS, facts=facts, file=given.out / "gpu.json")
    measure(meter, quick=given.quick, limit_s=given.limit_s)
    text = f"## {facts['kind']}\n\n{section(meter.figures, facts=facts)}"
    (given.out / "gpu.md").write_text(text, encoding="utf-8")
    print(f"\n{text}")
    if given.quick:
        print("A trial with small numbers, which say nothing.")


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    out = Path(".cache") / "bench" / "gpu"
    parser.add_argument("--out", type=Path, default=out, help=f"folder of gpu.json ({out})")
    parser.add_argument("--device", default="cuda", help="a torch device (cuda)")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help=f"seconds ({LIMIT_S})")
    parser.add_argument("--quick", action="store_true", help="a trial with small numbers")
    return parser.parse_args(words)


def described(device: str) -> dict[str, Any]:
    """The facts of this run: GPU, machine, versions, commit and day."""
    on_gpu = device.startswith("cuda")
    kind = torch.cuda.get_device_name(device) if on_gpu else machine.kind() or device
    return {
        "kind": kind,
        "machine": f"{kind}; {machine.description()}" if on_gpu else machine.description(),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "commit": commit(),
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def measure(meter: Meter, *, quick: bool, limit_s: float) -> None:
    """Every model in its share of the time, to which the time that others left is added."""
    started_s = time.monotonic()
    candidates = QUICK if quick else CANDIDATES
    for threads in dict.fromkeys((1, 4, usable_cores())):
        run = partial(tokenizing.rates, threads, rounds=meter.rounds)
        meter.measure(Key("", "", "", str(threads)), run)
    with tempfile.TemporaryDirectory() as folder:
        for i, candidate in enumerate(candidates):
            meter.deadline_s = started_s + limit_s * (i + 1) / len(candidates)
            if reason := outcome(partial(measure_model, meter, candidate, Path(folder))):
                print(f"{candidate.name}: {reason}", file=sys.stderr)


def measure_model(meter: Meter, candidate: Candidate, folder: Path) -> None:
    """All figures of a model, which is made in `folder` unless it is the bundled one."""
    Parts(meter, candidate, candidate.saved(folder, device=meter.device)).measure()


if __name__ == "__main__":
    main()
