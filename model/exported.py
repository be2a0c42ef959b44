"""The facts of an export to ONNX, in a JSON file beside its graph.

Written by model.export, read by model.loading. Knows neither torch nor onnxruntime.
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
    """The agreement of an export with its model: the share of `texts` texts with the same answer.

    An answer is a label, a set of labels, or spans. `difference` is the largest difference of a
    probability, 0 to 1.
    """

    texts: int
    agreement: float
    difference: float

    def __str__(self) -> str:
        # Cut, not rounded: 99.97 % must not read as all texts.
        percent = int(self.agreement * 1000) / 10
        return (
            f"the label is the same for {percent:g} % of {self.texts:,} texts, "
            f"probabilities differ by {max(self.difference, 0.001):.3f} at most"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The facts of a graph: its model, its dtype, and all that its runtime has to know."""

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
        """Writes the facts as JSON into `folder`; raises OSError."""
        text = json.dumps(dataclasses.asdict(self), indent=2)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Exported":
        """The facts in `folder`.

        Raises ModelLoadError if the file is missing or was not written by this version.
        """
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
    """True if `model_id` is a folder that `model.export` wrote, for the runtime onnx alone."""
    folders = (Path(model_id).expanduser(), HOME / model_id)
    return any((folder / FILE).is_file() for folder in folders)
