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
from safetensors.torch import load_file

from model import Example, Model, ModelLoadError
from model import sources as sources_module
from model.sources import free_memory_bytes, needed_bytes, read_card
from tests.model import tiny
from tests.model.hub import COMMIT, TOKEN, Hub, serving


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
    monkeypatch.setattr("model.runtimes.free_memory_bytes", lambda: 10_000)
    with pytest.raises(ModelLoadError, match="needs about"):
        Model("owner/name").load()
    assert "model.safetensors" not in hub.fetched


@pytest.mark.parametrize(
    ("model_id", "revision", "error", "message"),
    [
        ("owner/name", None, "GatedRepo", "It is gated: accept its terms on the Hub and set HF_"),
        ("owner/name", None, "RepoNotFound", "no such model, or it is private"),
        ("owner/other", None, "", "no such model, or it is private"),
        ("owner/name", "v9", "", "The Hub has no revision 'v9' of it. Check model.revision"),
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


def test_a_model_that_does_not_fit_is_refused_with_both_sizes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.truncate(30_000_000_000)  # sparse: it takes no room on the disk
    monkeypatch.setattr("model.runtimes.free_memory_bytes", lambda: 3_100_000_000)
    with pytest.raises(
        ModelLoadError, match=r"needs about 36\.0 GB of memory as float32 and 3\.1 GB is free\."
    ):
        Model(str(folder), device="cpu").load()
    with pytest.raises(ModelLoadError, match=r"needs about 18\.0 GB of memory as bfloat16"):
        Model(str(folder), device="cpu", dtype="bfloat16").load()


def test_needed_memory_follows_both_dtypes() -> None:
    halves = needed_bytes({"a": 100, "b": 100}, stored="float16", dtype="float32")
    assert halves == 2 * needed_bytes({"a": 200}, stored="float32", dtype="float32")
    assert needed_bytes({"a": 100}, stored="", dtype="float32") == 120


def test_needed_memory_is_about_what_loading_takes() -> None:
    """The estimate for the bundled model holds against the weights that are then in memory."""
    model = loaded(Model("model/bundled", device="cpu"))
    weights = {"model.safetensors": Path("model/bundled/model.safetensors").stat().st_size}
    needed = needed_bytes(weights, stored="float16", dtype="float32")
    assert model.info.memory_bytes < needed < 1.3 * model.info.memory_bytes
    model.close()


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
    monkeypatch.setattr(sources_module, "CGROUP", tmp_path)
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


def card(folder: Path, text: str) -> sources_module.Card:
    (folder / "README.md").write_text(text, encoding="utf-8")
    return read_card(folder)


def test_a_card_gives_title_tag_and_examples(tmp_path: Path) -> None:
    made = card(
        tmp_path,
        "---\npipeline_tag: zero-shot-classification\nwidget:\n"
        "- text: One\n- text: Two\n  candidate_labels: a, b\n  multi_class: true\n"
        "- messages:\n  - role: user\n    content: Three\n"
        "- src: picture.png\n- 7\n- text: ''\n---\n\n# The *Title*\n\nText.\n# Other\n",
    )
    assert (made.title, made.pipeline_tag) == ("The *Title*", "zero-shot-classification")
    assert made.examples == (
        Example("One"),
        Example("Two", {"candidate_labels": ("a", "b"), "multi_label": True}),
        Example("Three"),
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
