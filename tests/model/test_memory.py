"""The memory that a model needs, before and while it is loaded."""

import json
from pathlib import Path

import pytest

from model import Model, ModelLoadError
from model.memory import needed_bytes
from model.sources import Listing
from tests.helpers import tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.bert_classifier(tmp_path / "model")


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


def test_needed_memory_is_that_of_the_weights_whatever_they_are_stored_as(model: Model) -> None:
    path = Path("model/bundled/model.safetensors")  # of half floats
    listing = Listing(path.parent, "", {path.name: path.stat().st_size})
    assert needed_bytes(listing, dtype="float32") == int(1.2 * model.info.memory_bytes)


@pytest.mark.parametrize("header", [b"", b"{}", b"\xff" * 20, b"\x02" + b"\0" * 7 + b"[]"])
def test_weights_with_a_broken_header_are_estimated(folder: Path, header: bytes) -> None:
    (folder / "model.safetensors").write_bytes(header)
    listing = Listing(folder, "", {"model.safetensors": 100})
    assert needed_bytes(listing, dtype="float32") == 120


def test_too_little_memory_after_all_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")

    monkeypatch.setattr("transformers.AutoModelForSequenceClassification.from_pretrained", fail)
    with pytest.raises(ModelLoadError, match=r"There is not enough memory for it\. Name a smaller"):
        Model(str(folder)).load()
