"""The benchmark of a GPU: its loops compute the same, and each figure or reason has its cell."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.gpu import loops
from benchmarks.gpu.meter import OUT_OF_TIME, Key, Meter
from benchmarks.gpu.models import QUICK
from benchmarks.gpu.report import section
from benchmarks.texts import long_texts, repeated, texts
from model import Model
from model.batching import MAX_BATCH_TOKENS
from model.runtimes import TorchRuntime
from model.runtimes.rows import batches
from settings import ROOT

FACTS = {
    "machine": "Some GPU",
    "torch": "2",
    "transformers": "5",
    "commit": "abc1234",
    "day": "2026-11-28",
    "rounds": 3,
}


@pytest.mark.parametrize(("multiple", "behind"), [(1, 0), (16, 0), (1, 1), (64, 2)])
def test_padding_and_late_reads_change_no_logits(model: Model, multiple: int, behind: int) -> None:
    runtime = model.loaded.runtime
    assert isinstance(runtime, TorchRuntime)
    rows = loops.rows_of(model, texts(24))
    grouped = batches(list(map(len, rows)), max_tokens=256)
    assert len(grouped) > 3
    logits = loops.loop(runtime, rows, grouped, multiple=multiple, behind=behind)
    expected = [runtime.forward([row])[0] for row in rows]
    np.testing.assert_allclose(logits, np.stack(expected), atol=1e-4)


def test_a_budget_is_that_of_the_batches_and_is_given_back(
    model: Model, held: threading.Event
) -> None:
    before = model.counters.batch_tokens.counts[-4:]
    with loops.budget(model, 8192):
        futures = [model.submit(text) for text in long_texts(16)]
        held.set()
        assert all(future.result(120) for future in futures)
    assert model.counters.batch_tokens.counts[-4:] != before, "a batch of over 2,048 tokens"
    assert loops.default_budget(model) == MAX_BATCH_TOKENS


def test_long_texts_differ_and_are_long() -> None:
    long = long_texts(5)
    assert len(set(long)) == 5
    assert all(300 <= len(text.split()) < 360 for text in long)
    assert repeated(601)[600] == repeated(1)[0]


def test_a_model_made_from_a_config_loads(tmp_path: Path) -> None:
    made = Model(QUICK[-1].saved(tmp_path, device="cpu"), device="cpu")
    made.load()
    assert {item.label for item in made.predict(["fine"])[0].output.items} == {  # type: ignore[union-attr]
        "negative",
        "neutral",
        "positive",
    }
    made.close()


def test_a_failure_or_the_end_of_the_time_is_in_the_table(tmp_path: Path) -> None:
    meter = Meter(device="cpu", rounds=2, facts=FACTS, file=tmp_path / "gpu.json")

    def fail() -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried 2 GB")

    key = Key("BERT", "short", "float32", "Model.predict")
    meter.rate(key, lambda: None, 10)
    meter.rate(key._replace(name="pipeline"), fail, 10)
    meter.deadline_s = 0
    meter.rate(key._replace(name="bare loop"), lambda: None, 10)
    (row,) = [
        line for line in section(meter.figures, facts=FACTS).splitlines() if "| float32 |" in line
    ][:1]
    assert "| failed: OutOfMemoryError: CUDA out of memory. Tried 2 GB | skipped: out of" in row
    saved = json.loads((tmp_path / "gpu.json").read_text())
    assert [record["value"] for record in saved["figures"]][1:] == [
        "failed: OutOfMemoryError: CUDA out of memory. Tried 2 GB",
        OUT_OF_TIME,
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_without_a_gpu_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "torch finds no CUDA GPU here, so nothing was measured.\n"
    assert list(tmp_path.iterdir()) == []
