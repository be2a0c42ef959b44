"""Where models come from: the Hub, with and without a token or a network, and what is refused."""

import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

from model import Model, ModelLoadError
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
