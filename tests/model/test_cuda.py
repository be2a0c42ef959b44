"""On a CUDA GPU a model predicts what it predicts on a CPU, and says so where memory is short."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from model import Model, ModelError, ModelLoadError, Prediction
from tests.helpers import tiny

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")

SAME = 1e-3  # of a score
HALF = 0.02
TEXTS = [
    "The battery lasts two days and the screen is gorgeous.",
    "Fine.",
    "They cancelled my order twice and nobody answers the phone. " * 5,
    "Ada Lovelace was born in London and wrote to Charles Babbage.",
]
LABELS = ["billing", "a technical problem", "praise"]
CLASSIFIERS = (
    "BERT",
    "DistilBERT",
    "RoBERTa",
    "DeBERTa-v3",
    "ModernBERT",
    "Llama classifier",
    "Llama without padding",
    "FNet",
    "multi-label",
)
CASES: Mapping[str, tuple[list[str], Mapping[str, Any]]] = {
    **{name: (TEXTS, {}) for name in CLASSIFIERS},
    "NLI": (TEXTS, {"candidate_labels": LABELS}),
    "BERT tagger": (TEXTS, {"aggregation_strategy": "simple"}),
    "XLM-R tagger": (TEXTS, {"aggregation_strategy": "simple"}),
    "BERT MLM": (["The capital of [MASK] is Paris.", "Nobody answers [MASK]."], {}),
    "GPT-2": (["Once upon a time", "The capital"], {"max_new_tokens": 12}),
    "Llama": (["Once upon a time", "The capital"], {"max_new_tokens": 12}),
}


@contextmanager
def loaded(model_id: str | Path, **options: Any) -> Iterator[Model]:
    model = Model(str(model_id), **options)
    model.load()
    try:
        yield model
    finally:
        model.close()


@pytest.fixture(scope="module")
def bundled() -> Iterator[Model]:
    with loaded("model/bundled", device="cuda") as model:
        yield model


def assert_same(ours: list[Prediction], theirs: list[Prediction], *, within: float) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.output.answer == b.output.answer
        assert a.output.scores == pytest.approx(b.output.scores, abs=within)
        assert a.truncated == b.truncated


@pytest.mark.parametrize("name", CASES)
def test_every_task_predicts_as_on_a_cpu(name: str, tmp_path: Path) -> None:
    texts, params = CASES[name]
    folder = tiny.MAKERS[name](tmp_path / "model")
    with loaded(folder, device="cpu") as cpu, loaded(folder, device="cuda") as gpu:
        expected = cpu.predict(texts, params)
        assert_same(gpu.predict(texts, params), expected, within=SAME)
        assert_same([gpu.predict([texts[0]], params)[0]], expected[:1], within=SAME)
        assert gpu.info.device == "cuda"


def test_a_generated_text_grows_on_a_gpu(tmp_path: Path) -> None:
    with loaded(tiny.gpt2(tmp_path / "model"), device="cuda") as model:
        (whole,) = model.predict(["Once upon"], {"max_new_tokens": 10})
        generation = model.stream("Once upon", {"max_new_tokens": 10})
        assert generation.future.result(60).output == whole.output
        assert generation.text


def test_auto_takes_the_gpu_and_half_precision() -> None:
    with loaded("model/bundled", device="auto", dtype="auto") as model:
        assert (model.info.device, model.info.dtype) == ("cuda", "bfloat16")
        assert model.info.dtype_reason == "", "a GPU is not tried"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_gives_the_labels_of_full(bundled: Model, dtype: str) -> None:
    texts = [example.text for example in bundled.info.examples] + TEXTS
    with loaded("model/bundled", device="cuda", dtype=dtype) as half:
        assert half.info.memory_bytes == bundled.info.memory_bytes / 2
        assert_same(half.predict(texts), bundled.predict(texts), within=HALF)


def test_many_callers_get_the_predictions_of_their_texts(bundled: Model) -> None:
    texts = [f"{TEXTS[i % len(TEXTS)]} {i}" for i in range(64)]
    with ThreadPoolExecutor(16) as pool:
        alone = list(pool.map(lambda text: bundled.submit(text).result(60), texts))
    assert [prediction.input for prediction in alone] == texts
    assert_same(alone, bundled.predict(texts), within=SAME)


def test_an_absent_gpu_is_one_sentence() -> None:
    with pytest.raises(ModelLoadError, match=r"'cuda:99', which is not available here\. Set devic"):
        Model("model/bundled", device="cuda:99").load()
    with loaded("model/bundled", device="cuda") as model:
        assert model.predict(TEXTS[:1])[0].label, "the GPU still computes"


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (50_000_000, 10**9))
    with pytest.raises(ModelLoadError, match=r"about 0\.1 GB of memory as float32 and 50\.0 MB is"):
        Model("model/bundled", device="cuda").load()


@contextmanager
def no_memory_left() -> Iterator[None]:
    """torch gets no more of the GPU's memory, and has used up all that it has."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.0)
    taken = []
    try:
        for power in range(25, 8, -1):
            try:
                while True:
                    taken.append(torch.empty(2**power, dtype=torch.uint8, device="cuda"))
            except torch.cuda.OutOfMemoryError:
                continue
        yield
    finally:
        taken.clear()
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def test_too_little_memory_for_a_text_is_one_sentence_and_passes(bundled: Model) -> None:
    before = bundled.predict(TEXTS[:1])
    with (
        no_memory_left(),
        pytest.raises(ModelError, match=r"there is not enough memory for it\. Shorten the text\.$"),
    ):
        bundled.predict(TEXTS[2:3])
    assert_same(bundled.predict(TEXTS[:1]), before, within=SAME)


def test_too_little_memory_for_the_weights_is_one_sentence(tmp_path: Path) -> None:
    folder = tiny.bert_classifier(tmp_path / "model")
    with (
        no_memory_left(),
        pytest.raises(ModelLoadError, match=r"There is not enough memory for it\. Name a smaller"),
    ):
        Model(str(folder), device="cuda").load()
    with loaded(folder, device="cuda") as model:
        assert len(model.predict(TEXTS)) == len(TEXTS)
