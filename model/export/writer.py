"""Writes the folder of an export: graph, tokenizer, config, and the facts for its runtime."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from model import exported
from model.card import CARD
from model.export.errors import ExportError
from model.export.graph import save_graph
from model.export.parity import TEXTS, parity_of, read_texts
from model.exported import Exported, Parity
from model.model import Model
from model.runtimes import TorchRuntime
from model.tasks import FillMask, TextGeneration

MIN_AGREEMENT = 0.99
PACKAGES = ("onnx", "onnxruntime", "onnxscript", "torch", "transformers")


def export(model: Model, folder: Path, *, int8: bool, texts: Sequence[str]) -> Exported:
    """Exports `model`, which is loaded by torch on a CPU in float32, into `folder`.

    With `int8` weights are quantized, and activations at run time. An earlier export of the model
    in `folder` is replaced. Raises ExportError for a model or folder that cannot be used, and if
    fewer than 99 % of `texts` get the same label from the export as from the model.
    """
    _check(model, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as name:
        unchecked = Path(name, "model")
        unchecked.mkdir()
        facts = _write(model, unchecked, int8=int8, texts=texts)
        if facts.parity.agreement < MIN_AGREEMENT:
            advice = "Export it without --int8." if int8 else "Use it with torch."
            raise ExportError(
                f"The export disagrees with the model: {facts.parity}. The label must be the same "
                f"for {MIN_AGREEMENT:.0%}. Nothing was written. {advice}"
            )
        if folder.exists():
            shutil.rmtree(folder)
        unchecked.rename(folder)
    return facts


def _check(model: Model, folder: Path) -> None:
    if isinstance(model.loaded.task, TextGeneration):
        raise ExportError("Models for text-generation cannot be exported. Use them with torch.")
    if not model.loaded.tokenizer.is_fast:
        raise ExportError(
            "The model's tokenizer is written in Python and cannot be exported. Use the model "
            "with torch, or save it with a tokenizer that has a tokenizer.json."
        )
    check_folder(folder)
    if folder.exists() and (other := Exported.read(folder).model_id) != model.model_id:
        raise ExportError(f"{folder} is an export of {other}. Name another folder with --out.")


def check_folder(folder: Path) -> None:
    """Raises ExportError if `folder` exists and is not an export."""
    if folder.exists() and not (folder / exported.FILE).is_file():
        raise ExportError(f"{folder} exists and is not an export. Name another folder with --out.")


def _write(model: Model, folder: Path, *, int8: bool, texts: Sequence[str]) -> Exported:
    """Writes all that `runtime = "onnx"` loads into `folder`; returns the facts of the export."""
    loaded, info = model.loaded, model.info
    runtime = loaded.runtime
    assert isinstance(runtime, TorchRuntime)  # noqa: S101 - a graph is traced from torch
    # Three rows even if `texts` has a single text: a graph traced from one row takes only one.
    traced = [_with_gap(model, text) for text in [*texts, *read_texts(TEXTS)][:3]]
    rows = [row for of_text in loaded.task.rows(traced, _defaults(model)) for row in of_text]
    save_graph(runtime, rows[:3], folder, int8=int8)
    (folder / "tokenizer.json").write_text(loaded.tokenizer.to_json(), encoding="utf-8")
    for name in ("config.json", CARD):
        if (loaded.folder / name).is_file():
            shutil.copyfile(loaded.folder / name, folder / name)
    facts = Exported(
        model_id=info.id,
        model_revision=info.revision,
        dtype="int8" if int8 else "float32",
        parameters=info.parameters,
        pad_id=runtime.pad_id,
        tokenizer=loaded.tokenizer.traits_now(),
        parity=Parity(texts=0, agreement=0, difference=0),
        versions={package: version(package) for package in PACKAGES},
    )
    facts.write(folder)
    preprocess = model.choice.preprocess  # so that both read the same
    exported_model = Model(str(folder), task=info.task, runtime="onnx", preprocess=preprocess)
    exported_model.load()
    try:
        compared = [_with_gap(model, text) for text in texts]
        facts = replace(facts, parity=parity_of(model, exported_model, compared))
    finally:
        exported_model.close()
    facts.write(folder)
    return facts


def _defaults(model: Model) -> dict[str, Any]:
    return {param.name: param.default for param in model.info.params}


def _with_gap(model: Model, text: str) -> str:
    """The text; for fill-mask with a gap in place of its second word."""
    if not isinstance(model.loaded.task, FillMask):
        return text
    words = text.split()
    return " ".join([*words[:1], str(model.loaded.tokenizer.mask_token), *words[2:]])
