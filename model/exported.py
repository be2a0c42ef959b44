"""What an export to ONNX says of itself, in a file beside the graph.

Written by model.export, read by model.loading; knows neither torch nor onnxruntime.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model.errors import ModelLoadError
from model.sources import HOME
from model.tokenizer import Traits

FILE = "exported.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far an export says what its model says: the share of `texts` texts with the same label.

    Or the same labels or spans, where an output has several. `difference` is the largest one of
    a probability.
    """

    texts: int
    agreement: float
    difference: float

    def __str__(self) -> str:
        # Cut, not rounded: 99.97 % is not all of them.
        percent = int(self.agreement * 1000) / 10
        return (
            f"the label is the same for {percent:g} % of {self.texts:,} texts, "
            f"probabilities differ by {max(self.difference, 0.001):.3f} at most"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """From which model a graph was made, in which numbers, and what its runtime has to know."""

    model_id: str
    model_revision: str
    dtype: str
    parameters: int
    pad_id: int | None
    tokenizer: Traits
    parity: Parity
    versions: Mapping[str, str]

    def __str__(self) -> str:
        return f"exported from {self.model_id}, revision {self.model_revision}: {self.parity}"

    def write(self, folder: Path) -> None:
        text = json.dumps(dataclasses.asdict(self), indent=2)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Exported":
        """Raises ModelLoadError if the file is missing or was not written by this version."""
        try:
            values = json.loads((folder / FILE).read_text(encoding="utf-8"))
            tokenizer = values.pop("tokenizer")
            traits = Traits(**tokenizer | {"takes": tuple(tokenizer["takes"])})
            return cls(tokenizer=traits, parity=Parity(**values.pop("parity")), **values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelLoadError(
                f"Its {FILE} cannot be read ({error!r}). Export the model anew with make onnx."
            ) from error


def is_export(model_id: str) -> bool:
    """Whether it is a folder that `model.export` wrote, which only the runtime onnx reads."""
    folders = (Path(model_id).expanduser(), HOME / model_id)
    return any((folder / FILE).is_file() for folder in folders)
