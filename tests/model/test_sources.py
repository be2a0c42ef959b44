"""Where models come from: the Hub, with and without a token or a network, and what is refused."""

import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
import transformers
from safetensors.torch import load_file

from model import Example, Model, ModelLoadError
from model.card import Card, read_card
from model.machine import free_memory_bytes
from model.memory import needed_bytes
from model.sources import Listing
from tests.helpers import tiny
from tests.helpers.hub import COMMIT, TOKEN, Hub, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.bert_classifier(tmp_path / "model")


def loaded(model: Model) -> Model:
    model.load()
    return model


# --- the Hub --------------------------------------------------------------------------------------


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub with one model, an empty cache, and no token."""
    with serving(folder) as server:
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        constants = "huggingface_hub.constants"
        monkeypatch.setattr(f"{constants}.HF_HUB_OFFLINE", False)
        monkeypatch.setattr(f"{constants}.ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(f"{constants}.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(f"{constants}.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(f"{constants}.HF_TOKEN_PATH", str(tmp_path / "no token"))
        yield server


def test_a_model_of_the_hub_is_named_by_its_commit(hub: Hub) -> None:
    model = loaded(Model("owner/name"))
    assert model.info.revision == COMMIT
    (prediction,) = model.predict(["fine"])
    assert (prediction.model_id, prediction.model_revision) == ("owner/name", COMMIT)
    model.close()


def test_what_was_fetched_once_needs_no_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(Model("owner/name")).close()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model = loaded(Model("owner/name"))
    assert model.info.revision == COMMIT
    model.close()


def test_only_what_is_needed_is_fetched(hub: Hub) -> None:
    for name in ("pytorch_model.bin", "tf_model.h5", "model.onnx", "modeling_own.py", "photo.png"):
        (hub.folder / name).write_bytes(b"not wanted")
    loaded(Model("owner/name")).close()
    assert set(hub.fetched) == {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    }


def test_weights_that_are_of_no_use_are_not_fetched(hub: Hub) -> None:
    config = json.loads((hub.folder / "config.json").read_text())
    config["architectures"] = ["T5ForConditionalGeneration"]
    (hub.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match="T5ForConditionalGeneration; supported are"):
        Model("owner/name").load()
    assert "model.safetensors" not in hub.fetched


def test_weights_that_do_not_fit_are_not_fetched(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.machine.free_memory_bytes", lambda: 10_000)
    with pytest.raises(ModelLoadError, match="needs about"):
        Model("owner/name").load()
    assert "model.safetensors" not in hub.fetched


def test_a_model_that_cannot_do_the_task_is_not_fetched(hub: Hub) -> None:
    with pytest.raises(ModelLoadError, match="labels are negative, neutral, positive"):
        Model("owner/name", task="zero-shot-classification").load()
    with pytest.raises(ModelLoadError, match="no parameter 'top_k'"):
        Model("owner/name", params={"top_k": 3}).load()
    assert "model.safetensors" not in hub.fetched


@pytest.mark.parametrize(
    ("model_id", "revision", "error", "message"),
    [
        ("owner/name", None, "GatedRepo", "It is gated: accept its terms on the Hub and set HF_"),
        ("owner/name", None, "RepoNotFound", "no such model, or it is private"),
        ("owner/name", None, "Unauthorized", "refuses it with status 401. Check HF_TOKEN"),
        ("owner/name", None, "Down", "Hub cannot be reached"),
        ("owner/other", None, "", "no such model, or it is private"),
        ("owner/name", "v9", "", "The Hub has no revision 'v9' of it. Check its name"),
    ],
)
def test_what_the_hub_answers_is_one_sentence(
    hub: Hub, model_id: str, revision: str | None, error: str, message: str
) -> None:
    hub.error = error
    with pytest.raises(ModelLoadError, match=message) as caught:
        Model(model_id, revision=revision).load()
    assert "\n" not in str(caught.value)


def test_a_hub_that_is_down_is_one_sentence(hub: Hub) -> None:
    hub.shutdown()
    hub.server_close()
    with pytest.raises(ModelLoadError, match="the Hub cannot be reached"):
        Model("owner/name").load()


def test_a_hub_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelLoadError, match="the Hub cannot be reached"):
        Model("nobody/nothing").load()


def test_a_token_opens_a_private_model_and_is_never_told(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hub.error = "GatedRepo"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    model = loaded(Model("owner/name"))
    assert TOKEN not in repr(vars(model))
    model.close()
    monkeypatch.setenv("HF_TOKEN", "hf_wrongWRONGwrong")
    with pytest.raises(ModelLoadError, match="It is gated") as caught:
        Model("owner/name", revision="other").load()
    for secret in (TOKEN, "hf_wrongWRONGwrong"):
        logged = caplog.text + "".join(traceback.format_exception(caught.value.__cause__))
        assert secret not in logged


def test_a_token_that_can_be_none_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "“hf_quoted”")
    with pytest.raises(ModelLoadError, match="HF_TOKEN has characters that no token has"):
        Model("owner/name").load()


def test_a_missing_part_of_the_weights_is_named(folder: Path) -> None:
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    parts = sorted(folder.glob("model-*-of-*.safetensors"))
    assert len(parts) > 1
    whole = loaded(Model(str(folder)))
    assert whole.predict(["fine"])[0].label
    whole.close()
    parts[1].unlink()
    with pytest.raises(ModelLoadError, match=f"It lacks {parts[1].name}, a part of its weights"):
        Model(str(folder)).load()


# --- what is allowed ------------------------------------------------------------------------------


def pickled(folder: Path, value: object = None) -> Path:
    """The model with its weights as a pickle, or with `value` for weights."""
    weights = folder / "model.safetensors"
    torch.save(load_file(weights) if value is None else value, folder / "pytorch_model.bin")
    weights.unlink()
    return folder


def test_pickled_weights_are_read_if_the_owner_allows_it(folder: Path) -> None:
    with pytest.raises(ModelLoadError, match="a pickle can run code when it is read"):
        Model(str(pickled(folder))).load()
    model = loaded(Model(str(folder), allow_pickle=True))
    assert model.predict(["fine"])[0].label in ("negative", "neutral", "positive")
    model.close()


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _touch, (str(self.path),)


def _touch(path: str) -> None:
    Path(path).write_text("code ran")


def test_even_then_a_pickle_runs_no_code(folder: Path, tmp_path: Path) -> None:
    pickled(folder, {"weight": Evil(tmp_path / "ran")})
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        Model(str(folder), allow_pickle=True).load()
    assert not (tmp_path / "ran").exists()
    pickle.loads(pickle.dumps(Evil(tmp_path / "ran")))  # it would, if it were read
    assert (tmp_path / "ran").exists()


CODE = """
from pathlib import Path
from transformers import BertConfig, BertForSequenceClassification
Path({marker!r}).write_text("code ran")
class OwnConfig(BertConfig):
    model_type = "own"
class OwnForSequenceClassification(BertForSequenceClassification):
    config_class = OwnConfig
"""


def test_code_that_comes_with_a_model_runs_only_if_allowed(folder: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "architectures": ["OwnForSequenceClassification"],
        "auto_map": {
            "AutoConfig": "own.OwnConfig",
            "AutoModelForSequenceClassification": "own.OwnForSequenceClassification",
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match="set trust_remote_code = true"):
        Model(str(folder)).load()
    assert not marker.exists()
    model = loaded(Model(str(folder), trust_remote_code=True))
    assert model.predict(["fine"])[0].label
    assert marker.exists()
    model.close()


# --- preflight ------------------------------------------------------------------------------------


def sparse(folder: Path, *, dtype: str, values: int, bytes_each: int) -> None:
    """Weights whose header names one huge tensor; the file takes no room on the disk."""
    size = values * bytes_each
    header = json.dumps({"x": {"dtype": dtype, "shape": [values], "data_offsets": [0, size]}})
    with (folder / "model.safetensors").open("wb") as weights:
        weights.write(len(header).to_bytes(8, "little") + header.encode())
        weights.truncate(8 + len(header) + size)


def test_a_model_that_does_not_fit_is_refused_with_both_sizes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse(folder, dtype="F16", values=7_500_000_000, bytes_each=2)
    monkeypatch.setattr("model.machine.free_memory_bytes", lambda: 3_100_000_000)
    with pytest.raises(
        ModelLoadError, match=r"needs about 36\.0 GB of memory as float32 and 3\.1 GB is free\."
    ):
        Model(str(folder), device="cpu").load()
    with pytest.raises(ModelLoadError, match=r"needs about 18\.0 GB of memory as bfloat16"):
        Model(str(folder), device="cpu", dtype="bfloat16").load()


def test_weights_that_are_not_there_yet_are_estimated_by_the_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    for dtype, needed in (("float32", 120), ("float16", 240), ("something", 120)):
        (folder / "config.json").write_text(json.dumps(config | {"dtype": dtype}))
        assert needed_bytes(Listing(folder, "", {"no": 60, "yet": 40}), dtype="float32") == needed


def test_needed_memory_is_that_of_the_weights_whatever_they_are_stored_as() -> None:
    model = loaded(Model("model/bundled", device="cpu"))
    path = Path("model/bundled/model.safetensors")  # of half floats
    listing = Listing(path.parent, "", {path.name: path.stat().st_size})
    assert needed_bytes(listing, dtype="float32") == int(1.2 * model.info.memory_bytes)
    model.close()


@pytest.mark.parametrize("header", [b"", b"{}", b"\xff" * 20, b"\x02" + b"\0" * 7 + b"[]"])
def test_weights_with_a_broken_header_are_estimated(folder: Path, header: bytes) -> None:
    (folder / "model.safetensors").write_bytes(header)
    listing = Listing(folder, "", {"model.safetensors": 100})
    assert needed_bytes(listing, dtype="float32") == 120


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 10_000),
        ({"memory.max": "max", "memory.current": "5", "memory.stat": ""}, 10_000),
        ({"memory.max": "900", "memory.current": "500", "memory.stat": "anon 1"}, 400),
        (
            {"memory.max": "900", "memory.current": "500", "memory.stat": "inactive_file 300"},
            700,
        ),
        ({"memory.max": "99999", "memory.current": "5", "memory.stat": ""}, 10_000),
    ],
)
def test_a_container_has_no_more_than_its_limit(
    files: dict[str, str], free: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr("model.machine.CGROUP", tmp_path)
    machine = type("", (), {"available": 10_000})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    assert free_memory_bytes() == free


def test_too_little_memory_after_all_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")

    monkeypatch.setattr("transformers.AutoModelForSequenceClassification.from_pretrained", fail)
    with pytest.raises(ModelLoadError, match=r"There is not enough memory for it\. Name a smaller"):
        Model(str(folder)).load()


# --- the card -------------------------------------------------------------------------------------


BOMB = "---\na0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
BOMB += "pipeline_tag: *a9\nwidget: [{text: *a9, candidate_labels: *a9}]\n---\n"


def card(folder: Path, text: str) -> Card:
    (folder / "README.md").write_text(text, encoding="utf-8")
    return read_card(folder)


def test_a_card_gives_title_tag_and_examples(tmp_path: Path) -> None:
    made = card(
        tmp_path,
        "---\npipeline_tag: zero-shot-classification\nwidget:\n"
        "- text: One\n- text: Two\n  candidate_labels: a, b\n  multi_class: true\n"
        "- messages:\n  - role: user\n    content: Three\n"
        "- text: Four\n  candidate_labels: []\n- src: picture.png\n- 7\n- text: ''\n---\n\n"
        "# The *Title*\n\nText.\n# Other\n",
    )
    assert (made.title, made.pipeline_tag) == ("The *Title*", "zero-shot-classification")
    assert made.examples == (
        Example("One"),
        Example("Two", {"candidate_labels": ("a", "b"), "multi_label": True}),
        Example("Three"),
        Example("Four"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no head",
        "---\n: : [\n---\n",
        "---\n- a list\n---\n",
        "---\nwidget: 7\n---\n",
        "---\nwidget:\n  text: x\n---\n",
        "# <img src=x>\n",
        f"# {'x' * 200}\n",
        "---\nwidget: [{messages: []}, {messages: [1]}]\n---\n",
        "---\ndate: 2024-02-30\n---\n",
        "---\na: " + "[" * 5000 + "\n---\n",
        "---\na: " + "x" * 60_000 + "\nwidget: [{text: late}]\n---\n",
        "Text\n```python\n# pip install\n```\n",
        BOMB,
    ],
)
def test_a_card_that_says_nothing_does_no_harm(tmp_path: Path, text: str) -> None:
    made = card(tmp_path, text)
    assert (made.title, made.examples) == ("", ())


def test_the_cards_examples_are_shown_as_far_as_they_fit(folder: Path) -> None:
    card(folder, "---\nwidget:\n- text: Mine\n  candidate_labels: a, b\n---\n# Mood\n")
    model = loaded(Model(str(folder)))
    assert model.info.title == "Mood"
    assert model.info.examples == (Example("Mine"),)
    model.close()


# --- tokenizers of older models -------------------------------------------------------------------


def test_a_tokenizer_of_sentencepiece_alone_is_read(tmp_path: Path) -> None:
    import sentencepiece

    folder = tmp_path / "model"
    (tmp_path / "text").write_text("\n".join(tiny.CORPUS), encoding="utf-8")
    config = transformers.XLMRobertaConfig(
        **tiny.SMALL, vocab_size=300, pad_token_id=1, **tiny._labels(["no", "yes"])
    )
    transformers.XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text"),
        model_prefix=str(folder / "sentencepiece.bpe"),
        vocab_size=80,
        minloglevel=2,
    )
    (folder / "sentencepiece.bpe.vocab").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "XLMRobertaTokenizer"}')
    model = loaded(Model(str(folder)))
    scores = {model.predict([text])[0].score for text in tiny.CORPUS[:3]}
    assert len(scores) == 3
    model.close()
