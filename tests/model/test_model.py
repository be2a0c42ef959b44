"""class Model on the bundled model, against transformers' own pipeline, and on broken folders."""

import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    pipeline,
)

from model import InputError, Model, ModelClosed, ModelError, ModelLoadError, ScoredLabels
from model.runtimes.rows import batches

BUNDLED = Path("model/bundled")
TINY: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 8,
}
TEXTS = [
    "I love this.",
    "Nobody answers the phone and the parcel never came.",
    "The meeting is on Tuesday.",
    "",
    "a",
    "<b>not bad</b> at *all* 😀",
    "word " * 300,
]


def test_output_equals_the_pipelines(model: Model) -> None:
    theirs = pipeline(
        "text-classification",
        model=AutoModelForSequenceClassification.from_pretrained(BUNDLED, dtype=torch.float32),
        tokenizer=AutoTokenizer.from_pretrained(BUNDLED),
        top_k=None,
        truncation=True,
    )
    for prediction, expected in zip(model.predict(TEXTS), theirs(TEXTS), strict=True):
        assert isinstance(prediction.output, ScoredLabels)
        items = prediction.output.items
        assert [item.label for item in items] == [item["label"] for item in expected]
        for item, wanted in zip(items, expected, strict=True):
            assert item.score == pytest.approx(wanted["score"], abs=1e-5)


def test_predictions_come_in_the_order_of_the_texts(model: Model) -> None:
    texts = [f"{'very ' * (n * 7 % 40)}good number {n}" for n in range(60)]
    assert [prediction.input for prediction in model.predict(texts)] == texts


def test_a_batch_says_what_each_text_alone_gets(model: Model) -> None:
    for together, text in zip(model.predict(TEXTS), TEXTS, strict=True):
        (alone,) = model.predict([text])
        assert together.label == alone.label
        assert together.score == pytest.approx(alone.score, abs=1e-5)


def test_submit_gives_the_same_as_predict(model: Model) -> None:
    submitted = model.submit("I love this.").result()
    (predicted,) = model.predict(["I love this."])
    assert submitted.output == predicted.output
    assert submitted.id != predicted.id


def test_a_single_text_is_not_taken_for_a_list_of_letters(model: Model) -> None:
    with pytest.raises(InputError, match="takes a list"):
        model.predict("fine")


def test_no_texts_give_no_predictions(model: Model) -> None:
    assert model.predict([]) == []


def test_a_prediction_says_all_that_is_needed_to_say_it_again(model: Model) -> None:
    (prediction,) = model.predict(["fine"])
    assert prediction.task == "text-classification"
    assert prediction.model_id == "model/bundled"
    assert prediction.model_revision == model.info.revision
    assert prediction.created_at.utcoffset() is not None
    assert prediction.queue_ms >= 0
    assert prediction.inference_ms > 0
    assert isinstance(prediction.output, ScoredLabels)
    first, second, _ = items = prediction.output.items
    assert sum(item.score for item in items) == pytest.approx(1)
    assert prediction.margin == first.score - second.score


def test_only_a_text_that_lost_its_end_is_called_truncated(model: Model) -> None:
    limit = model.info.max_tokens or 0
    fits, over = "good " * (limit - 2), "good " * (limit - 1)
    assert [prediction.truncated for prediction in model.predict([fits, over])] == [False, True]


@pytest.mark.parametrize(
    "text", ["\0", "\ud800", "\udfff\ud800 x", "\u202e right to left", "😀" * 50]
)
def test_any_text_is_predicted_and_kept_as_typed(model: Model, text: str) -> None:
    assert model.predict([text])[0].input == text


def test_many_callers_at_once_get_their_own_answers(model: Model) -> None:
    texts = [f"text number {n} is {'good' if n % 2 else 'bad'}" for n in range(80)]
    with ThreadPoolExecutor(16) as callers:
        futures = list(callers.map(model.submit, texts))
    assert [future.result().input for future in futures] == texts


def test_info(model: Model) -> None:
    info = model.info
    assert info.labels == ("negative", "neutral", "positive")
    assert info.memory_bytes == info.parameters * 4
    assert info.max_tokens == 512
    assert (info.runtime, info.device, info.dtype) == ("torch", "cpu", "float32")
    assert len(info.revision) == 12


def test_half_precision_agrees_on_the_label() -> None:
    half = Model("model/bundled", device="cpu", dtype="bfloat16")
    half.load()
    assert half.predict(["I love this."])[0].label == "positive"
    assert half.info.memory_bytes == half.info.parameters * 2
    half.close()


# --- life cycle -----------------------------------------------------------------------------------


def test_before_load_and_after_close_it_says_so() -> None:
    early = Model("model/bundled")
    with pytest.raises(ModelClosed, match="not loaded yet"):
        early.predict(["x"])
    early.load()
    early.close()
    with pytest.raises(ModelClosed, match="was closed"):
        early.predict(["x"])
    with pytest.raises(ModelClosed, match="was closed"):
        early.submit("x")


def test_close_leaves_no_caller_waiting() -> None:
    model = Model("model/bundled", device="cpu")
    model.load()
    release, started = threading.Event(), threading.Event()
    forward = model.loaded.runtime.forward

    def slow(*args: object, **kwargs: object) -> object:
        started.set()
        release.wait(10)
        return forward(*args, **kwargs)  # type: ignore[arg-type]

    model.loaded.runtime.forward = slow  # type: ignore[method-assign,assignment]
    running = model.submit("first")
    started.wait(10)
    waiting = model.submit("second")
    threading.Timer(0.2, release.set).start()
    model.close()
    assert running.result(timeout=5).input == "first"
    with pytest.raises(ModelClosed, match="was closed"):
        waiting.result(timeout=5)


def test_a_failure_of_the_forward_pass_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model("model/bundled", device="cpu")
    model.load()

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a bad number\nlong details")

    monkeypatch.setattr(model.loaded.runtime, "forward", fail)
    with pytest.raises(ModelError, match=r"failed on this input: a bad number\. Try"):
        model.predict(["x"])
    with pytest.raises(ModelError, match="failed on this input"):
        model.submit("x").result()
    model.close()


# --- models that cannot be loaded -----------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A small whole classifier in a folder of its own."""
    folder = tmp_path / "tiny"
    config = BertConfig(
        **TINY,
        id2label={0: "no", 1: "yes"},
        label2id={"no": 0, "yes": 1},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(BUNDLED).save_pretrained(folder)
    return folder


def test_a_folder_anywhere_can_be_loaded(tiny: Path) -> None:
    model = Model(str(tiny))
    model.load()
    assert model.info.labels == ("no", "yes")
    assert model.predict(["x"])[0].label in ("no", "yes")
    model.close()


def test_roberta_is_cut_where_its_positions_end(tmp_path: Path) -> None:
    config = RobertaConfig(
        **TINY,
        max_position_embeddings=34,
        pad_token_id=1,
    )
    RobertaForSequenceClassification(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(BUNDLED).save_pretrained(tmp_path)
    model = Model(str(tmp_path))
    model.load()
    assert model.info.max_tokens == 32, "the first two positions are reserved"
    assert [p.truncated for p in model.predict(["a " * 30, "a " * 31])] == [False, True]
    model.close()


def test_a_card_in_another_encoding_does_not_matter(tiny: Path) -> None:
    (tiny / "README.md").write_bytes(b"caf\xe9")
    model = Model(str(tiny))
    model.load()
    assert model.info.card == "caf\ufffd"
    model.close()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (GatedRepoError, "It is gated"),
        (RevisionNotFoundError, "no revision 'v9'"),
        (RepositoryNotFoundError, "no such model, or it is private"),
    ],
)
def test_what_the_hub_answers_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: type[HfHubHTTPError], message: str
) -> None:
    def answer(*args: object, **kwargs: object) -> str:
        raise error(
            "no", response=httpx2.Response(404, request=httpx2.Request("GET", "http://hub"))
        )

    monkeypatch.setattr("huggingface_hub.snapshot_download", answer)
    with pytest.raises(ModelLoadError, match=message):
        Model("owner/name", revision="v9").load()


def test_the_revision_of_a_folder_follows_its_content(tiny: Path) -> None:
    def revision() -> str:
        model = Model(str(tiny))
        model.load()
        model.close()
        return model.info.revision

    first = revision()
    assert revision() == first
    (tiny / "README.md").write_text("a card is not the model")
    assert revision() == first
    config = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps(config | {"id2label": {"0": "a", "1": "b"}}))
    assert revision() != first


def _without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).rename(folder.parent / name)


def _config(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _other_head(folder: Path) -> None:
    config = BertConfig.from_pretrained(folder)
    BertForMaskedLM(config).save_pretrained(folder)


def _headless(folder: Path) -> None:
    _other_head(folder)
    _config(architectures=["BertForSequenceClassification"])(folder)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (shutil.rmtree, "There is no such folder"),
        (_without("config.json"), "lacks config.json"),
        (_without("model.safetensors"), r"lacks its weights \(model.safetensors\)"),
        (_without("tokenizer.json"), "lacks its tokenizer"),
        (_write("config.json", b"{"), "config.json is not JSON: Expecting property name"),
        (_write("config.json", b"[]"), "config.json is not a JSON object"),
        (_write("model.safetensors", b"garbage" * 99), "weights cannot be read: .*header"),
        (_write("model.safetensors", b""), "weights cannot be read"),
        (_write("tokenizer.json", b"{}"), "tokenizer cannot be read"),
        (_config(model_type="nonsense"), "nonsense"),
        (_config(problem_type="regression"), "problem_type is regression"),
        (_config(architectures=["T5ForConditionalGeneration"]), "supported are models for text-"),
        (_config(architectures=None), "config names no architecture; supported are"),
        (_headless, "would be random"),
    ],
)
def test_a_broken_folder_is_one_sentence(
    tiny: Path, break_it: Callable[[Path], object], message: str
) -> None:
    break_it(tiny)
    with pytest.raises(ModelLoadError, match=message) as caught:
        Model(str(tiny)).load()
    assert str(caught.value).startswith(f"The model {str(tiny)!r} cannot be loaded")
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_not_read(tiny: Path) -> None:
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match="a pickle can run code when it is read"):
        Model(str(tiny)).load()


def test_a_hub_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelLoadError, match="the Hub cannot be reached"):
        Model("nobody/nothing").load()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model_id": "no such thing!"}, "neither a folder nor a Hub id"),
        ({"model_id": "./nowhere"}, "There is no such folder"),
        ({"device": "abacus"}, "device is 'abacus', which is not available here"),
        ({"task": "fill-mask"}, "architecture is BertForSequenceClassification; fill-mask needs"),
        ({"params": {"top_k": 3}}, "no parameter 'top_k'; it has none"),
        ({"revision": "v1"}, "folder, which has no revision 'v1'"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelLoadError, match=message):
        Model(**arguments).load()


@pytest.mark.parametrize("name", ["task", "runtime", "dtype"])
def test_what_is_not_supported_is_refused_at_once(name: str) -> None:
    arguments: dict[str, Any] = {name: "steam"}
    with pytest.raises(ModelLoadError, match=f"{name} is 'steam'; it must be "):
        Model(**arguments)


# --- batches --------------------------------------------------------------------------------------


def test_batches_hold_every_index_once_within_the_budget() -> None:
    lengths = [5, 1, 9, 9, 2, 30, 1, 1, 4, 12]
    made = batches(lengths, max_tokens=12)
    assert sorted(i for batch in made for i in batch) == list(range(len(lengths)))
    for batch in made:
        longest = max(lengths[i] for i in batch)
        assert len(batch) * longest <= 12 or len(batch) == 1
