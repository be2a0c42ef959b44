"""An export says what its model says, runs without torch, and is not written if it does not."""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import transformers as tf

from model import Model, ModelLoadError, Prediction, ScoredLabels
from model.export import ExportError, export
from model.export.parity import TEXTS, read_texts
from model.exported import Exported, Parity
from settings import ROOT
from tests.helpers import tiny
from tests.helpers.command import run_here

SOME = [
    "Ada Lovelace was born in London.",
    "<b>Zürich</b> isn't Paris, or is it? 😀 naïve ﬁne",
    "  two days   and\n\tthe  screen ",
    "The battery lasts two days and Ada Lovelace wrote to Charles Babbage. " * 20,
    "Once upon a time there was a model that nobody had tried.",
]
NEEDED = ("numpy", "onnxruntime", "psutil", "PyYAML", "tokenizers", "uuid-utils")
NO_TORCH = """
import json, sys
from model import Model
model = Model(sys.argv[1], runtime="onnx")
model.load()
print(json.dumps([prediction.score for prediction in model.predict(json.load(sys.stdin))]))
assert not {"torch", "transformers"} & set(sys.modules)
"""


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., Model]]:
    """Loads a folder, and closes what was loaded."""
    loaded: list[Model] = []

    def load(folder: Path, **how: Any) -> Model:
        loaded.append(Model(str(folder), **how))
        loaded[-1].load()
        return loaded[-1]

    yield load
    for one in loaded:
        one.close()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders by the name of a tiny model, which is in `model`, and its export in `onnx`."""

    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp("tiny")
        model = Model(str(tiny.MAKERS[name](folder / "model")))
        model.load()
        returned = export(model, folder / "onnx", int8=False, texts=SOME)
        assert returned == Exported.read(folder / "onnx")
        model.close()
        return folder

    return made


@pytest.fixture
def tiny_export(exported: Callable[[str], Path]) -> Path:
    """The folder of a tiny classifier and its export."""
    return exported("BERT")


@pytest.fixture(scope="module")
def computed() -> dict[str, Any]:
    """The graph of the bundled model and its predictions of TEXTS, once a test needed them."""
    return {}


@pytest.fixture
def bundled(model: Model, computed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Model:
    """The bundled model, traced once and asked once for TEXTS: each takes ten seconds."""
    from transformers.exporters import OnnxExporter  # takes seconds, which collecting should not

    predict, trace = model.predict, OnnxExporter.export

    def predict_once(texts: Sequence[str]) -> list[Prediction]:
        assert list(texts) == read_texts(TEXTS)
        if "predictions" not in computed:
            computed["predictions"] = predict(texts)
        predictions: list[Prediction] = computed["predictions"]
        return predictions

    def trace_once(*given: Any, **how: Any) -> Any:
        if "graph" not in computed:
            computed["graph"] = trace(*given, **how)
        return computed["graph"]

    monkeypatch.setattr(model, "predict", predict_once)
    monkeypatch.setattr(OnnxExporter, "export", trace_once)
    return model


@pytest.mark.parametrize("name", [name for name in tiny.MAKERS if name not in ("GPT-2", "Llama")])
def test_an_export_says_the_same(
    exported: Callable[[str], Path], load: Callable[..., Model], name: str
) -> None:
    folder = exported(name)
    model, facts = load(folder / "model"), Exported.read(folder / "onnx")
    assert facts.parity.agreement == 1
    assert facts.parity.difference < 1e-4
    again = load(folder / "onnx", runtime="onnx")
    assert again.info.task == model.info.task
    assert again.info.labels == model.info.labels
    assert again.info.max_tokens == model.info.max_tokens
    assert (again.info.runtime, again.info.dtype) == ("onnx", "float32")
    assert again.info.dtype_reason == str(facts)
    texts = [text.replace("two", "[MASK]", 1).replace("Once", "[MASK]") for text in SOME[2:]]
    pairs = zip(model.predict(texts), again.predict(texts), strict=True)
    for ours, theirs in pairs:  # batched and padded, where the model allows it
        assert theirs.runtime == "onnx"
        assert theirs.truncated == ours.truncated
        assert theirs.score == pytest.approx(ours.score, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "message"),
    [("GPT-2", "text-generation cannot be exported"), ("bytes", "tokenizer is written in Python")],
)
def test_what_cannot_be_exported_is_told(
    tmp_path: Path, load: Callable[..., Model], name: str, message: str
) -> None:
    folder = tmp_path / "model"
    if name == "bytes":
        tiny.bert_classifier(folder, vocab_size=400)
        (folder / "tokenizer.json").unlink()
        tf.ByT5Tokenizer().save_pretrained(folder)
        (folder / "vocab.txt").touch()
    else:
        tiny.MAKERS[name](folder)
    with pytest.raises(ExportError, match=message):
        export(load(folder), tmp_path / "onnx", int8=False, texts=SOME)
    assert not (tmp_path / "onnx").exists()


def test_a_folder_that_is_no_export_is_not_replaced(
    tmp_path: Path, load: Callable[..., Model]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(ExportError, match="mine exists and is not an export"):
        export(
            load(tiny.bert_classifier(tmp_path / "model")),
            tmp_path / "mine",
            int8=False,
            texts=[],
        )
    assert (tmp_path / "mine" / "notes.txt").is_file()


def test_an_export_of_another_model_is_not_replaced(
    tmp_path: Path, tiny_export: Path, model: Model
) -> None:
    shutil.copytree(tiny_export / "onnx", tmp_path / "onnx")
    with pytest.raises(ExportError, match=r"onnx is an export of .*model\. Name another folder"):
        export(model, tmp_path / "onnx", int8=False, texts=SOME)


def test_compared_on_one_text_it_takes_batches_all_the_same(
    tmp_path: Path, tiny_export: Path, load: Callable[..., Model]
) -> None:
    export(load(tiny_export / "model"), tmp_path / "onnx", int8=False, texts=SOME[:1])
    exported = load(tmp_path / "onnx", runtime="onnx")
    assert len(exported.predict(SOME)) == len(SOME)
    assert exported.counters.inference_s.counts
    assert (
        exported.counters.batch_rows.total == len(SOME) > sum(exported.counters.batch_rows.counts)
    )


def test_int8_of_the_bundled_model_passes(
    tmp_path: Path, load: Callable[..., Model], bundled: Model
) -> None:
    facts = export(bundled, tmp_path / "int8", int8=True, texts=read_texts(TEXTS))
    assert facts.parity.texts == 600
    assert 0.99 <= facts.parity.agreement < 1
    assert 0.01 < facts.parity.difference < 0.2
    exported = load(tmp_path / "int8", runtime="onnx", dtype="auto")
    assert exported.info.dtype == "int8"
    with pytest.raises(ModelLoadError, match="exported to compute in int8"):
        load(tmp_path / "int8", runtime="onnx", dtype="float32")
    assert exported.info.memory_bytes < 0.4 * bundled.info.memory_bytes
    (prediction,) = exported.predict(["The battery lasts two days and the screen is gorgeous."])
    assert prediction.label == "positive"


def test_one_that_says_something_else_is_not_written(
    tmp_path: Path, tiny_export: Path, bundled: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quantized to the last matrix, the bundled model keeps 98 % of its labels."""
    texts = read_texts(TEXTS)
    shutil.copytree(tiny_export / "onnx", tmp_path / "onnx")
    replace(Exported.read(tmp_path / "onnx"), model_id=bundled.model_id).write(tmp_path / "onnx")
    before = (tmp_path / "onnx" / "exported.json").read_text()
    monkeypatch.setattr("model.export.graph._narrowing", lambda graph: [])
    with pytest.raises(ExportError, match=r"for 9[78].* for 99%. Nothing was written. .*--int8"):
        export(bundled, tmp_path / "onnx", int8=True, texts=texts)
    assert (tmp_path / "onnx" / "exported.json").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["onnx"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("exported.json", None, "exported.json cannot be read"),
        ("exported.json", "{}", "exported.json cannot be read"),
        ("exported.json", "[1]", "exported.json cannot be read"),
        ("model.onnx", None, "lacks model.onnx, which runtime = .onnx. needs"),
        ("model.onnx", "not a graph", "weights cannot be read"),
        ("tokenizer.json", "{}", "tokenizer cannot be read"),
    ],
)
def test_a_damaged_export_is_one_sentence(
    tmp_path: Path,
    tiny_export: Path,
    load: Callable[..., Model],
    file: str,
    content: str | None,
    message: str,
) -> None:
    folder = tmp_path / "onnx"
    shutil.copytree(tiny_export / "onnx", folder)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(ModelLoadError, match=message) as caught:
        load(folder, runtime="onnx")
    assert "\n" not in str(caught.value)


def test_the_runtime_has_to_fit(
    tmp_path: Path, tiny_export: Path, load: Callable[..., Model]
) -> None:
    folder = tiny_export / "model"
    for wrong, how, message in (
        (folder, {"runtime": "onnx"}, "lacks model.onnx"),
        (tiny_export / "onnx", {}, 'is an export to ONNX. Set runtime = "onnx"'),
        (tiny_export / "onnx", {"runtime": "onnx", "device": "cuda"}, "computes on the CPU"),
        (tiny_export / "onnx", {"runtime": "onnx", "dtype": "bfloat16"}, "to compute in float32"),
        (tiny.gpt2(tmp_path / "gpt2"), {"runtime": "onnx"}, "lacks model.onnx"),
        (folder, {"runtime": "onyx"}, "runtime is 'onyx'; it must be torch or onnx"),
    ):
        with pytest.raises(ModelLoadError, match=message):
            load(wrong, **how)
    (tmp_path / "gpt2" / "model.onnx").touch()
    with pytest.raises(ModelLoadError, match="does not do text-generation"):
        load(tmp_path / "gpt2", runtime="onnx")


def test_parity_is_not_rounded_up() -> None:
    assert str(Parity(texts=3000, agreement=2999 / 3000, difference=1e-9)) == (
        "the label is the same for 99.9 % of 3,000 texts, probabilities differ by 0.001 at most"
    )


def test_the_command_exports_what_the_settings_name_and_it_runs_without_torch(
    tmp_path: Path, tiny_export: Path, load: Callable[..., Model]
) -> None:
    """In an environment of its own with onnxruntime and tokenizers, in which there is no torch."""
    folder, out = tiny_export / "model", tmp_path / "out" / "onnx"
    texts = tmp_path / "texts"
    texts.write_text("\n".join(SOME[:2]), encoding="utf-8")
    written = ("--out", str(out), "--texts", str(texts))
    done = run_here("model.export", *written, TRYOUT_MODEL__ID=str(folder))
    assert done.code == 0, done.err
    assert "float32: the label is the same for 100 % of 2 texts" in done.out
    assert f'id = "{out}"\nruntime = "onnx"' in done.out
    assert Exported.read(out).versions["torch"]

    venv.create(tmp_path / "clean")
    python = tmp_path / "clean" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)]  # to install one takes seconds
    pinned = [
        line
        for file in ("requirements-app.txt", "requirements-onnx.txt")
        for line in (ROOT / file).read_text().splitlines()
        if line.split("==")[0] in NEEDED
    ]
    assert len(pinned) == len(NEEDED)
    subprocess.run([*pip, "install", "-q", "--no-compile", *pinned], check=True, cwd=tmp_path)
    assert "torch" not in subprocess.check_output([*pip, "list"], text=True)
    ran = subprocess.run(
        [python, "-c", NO_TORCH, out],
        input=json.dumps(SOME),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    expected = [prediction.score for prediction in load(folder).predict(SOME)]
    assert json.loads(ran.stdout) == pytest.approx(expected, abs=1e-4)
    failed = subprocess.run(
        [python, "-c", "from model import Model; Model().load()"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert 'runtime = "torch" needs huggingface_hub' not in failed.stderr
    assert 'runtime = "torch" needs ' in failed.stderr
    assert "Install what requirements.txt lists." in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {"TRYOUT_MODEL__ID": "./nowhere"}, "'./nowhere' cannot be loaded"),
        ([], {"TRYOUT_LIMITS__MAX_CHARS": "many"}, "limits.max_chars is 'many'"),
        ([], {"TRYOUT_MODEL__RUNTIME": "onnx"}, "app.toml names an export already"),
        (["--texts", "nowhere.txt"], {}, "nowhere.txt cannot be read: No such file"),
        (["--texts", "model/bundled/model.safetensors"], {}, "model.safetensors is not UTF-8"),
        (["--texts", os.devnull], {}, "/dev/null has no text in it"),
        (["--out", "model"], {}, "model exists and is not an export"),
        (["--out", "README.md/onnx"], {}, "README.md/onnx cannot be written: "),
    ],
)
def test_the_command_says_why_not_and_exits_with_1(
    arguments: list[str], environment: dict[str, str], message: str
) -> None:
    done = run_here("model.export", *arguments, **environment)
    assert done.code == 1
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_python_tokenizer_cuts_and_says_so(tmp_path: Path, load: Callable[..., Model]) -> None:
    folder = tiny.bert_classifier(tmp_path / "model", vocab_size=400)
    (folder / "tokenizer.json").unlink()
    tf.ByT5Tokenizer(model_max_length=48).save_pretrained(folder)
    (folder / "vocab.txt").touch()
    model = load(folder)
    assert not model.loaded.tokenizer.is_fast
    whole, just, cut = model.predict(["short", "a" * 47, "a" * 48])
    assert [one.truncated for one in (whole, just, cut)] == [False, False, True]
    assert isinstance(cut.output, ScoredLabels)
    assert cut.output != whole.output
