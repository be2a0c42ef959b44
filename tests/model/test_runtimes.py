"""Half precision where it is as good and faster, and no more threads than there are cores."""

from pathlib import Path

import pytest

from model import Model
from model.runtimes import TorchRuntime
from model.runtimes.trial import Trial, compare
from model.tokenizer import TransformersTokenizer
from tests.helpers import tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.bert_classifier(tmp_path / "model")


@pytest.mark.parametrize(
    ("trial", "passed"),
    [
        (Trial(1.8, 0.004), True),
        (Trial(1.1, 0.004), False),
        (Trial(0.4, 0.0), False),
        (Trial(3.0, 0.05), False),
        (Trial(3.0, 1.0), False),
    ],
)
def test_half_precision_must_be_faster_and_say_the_same(trial: Trial, passed: bool) -> None:
    assert trial.passed is passed


def runtime(folder: Path, dtype: str) -> TorchRuntime:
    return TorchRuntime(
        folder,
        auto_model="AutoModelForSequenceClassification",
        device="cpu",
        dtype=dtype,
        allow_pickle=False,
        trust_remote_code=False,
    )


def test_a_comparison_measures_both(folder: Path) -> None:
    rows = TransformersTokenizer(folder, trust_remote_code=False).rows(
        ["Ada was born", "in London"]
    )
    full, half = runtime(folder, "float32"), runtime(folder, "bfloat16")
    trial = compare(full, half, rows)
    assert trial.speedup > 0
    assert 0 < trial.difference < 0.1
    half.module.classifier.weight.data.fill_(float("nan"))
    assert compare(full, half, rows).difference == 1.0, "what is no number is no small difference"


@pytest.mark.parametrize("trial", [Trial(2.0, 0.001), Trial(0.5, 0.001)])
def test_auto_takes_what_the_trial_says(
    folder: Path, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.loading.compare", lambda *given: trial)
    model = Model(str(folder), device="cpu", dtype="auto")
    model.load()
    assert model.info.dtype == ("bfloat16" if trial.passed else "float32")
    assert model.info.dtype_reason == (str(trial) if trial.passed else "")
    assert model.predict(["fine"])[0].label
    model.close()


def test_auto_does_without_a_trial_for_which_there_is_no_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([10**9, 10**9, 10])
    monkeypatch.setattr("model.loading.free_bytes", lambda device: next(free))
    model = Model(str(folder), device="cpu", dtype="auto")
    model.load()
    assert model.info.dtype == "float32"
    model.close()


def test_a_small_batch_leaves_cores_to_the_sessions(folder: Path) -> None:
    small = runtime(folder, "float32")
    small._threads, small._multiplied = 8, 10_000_000
    assert [small.threads_for(tokens) for tokens in (1, 299, 300, 5000)] == [1, 1, 8, 8]
