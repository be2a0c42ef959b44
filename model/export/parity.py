"""The agreement of an export with its model, on real texts."""

from collections.abc import Sequence
from pathlib import Path

from model.export.errors import ExportError
from model.exported import Parity
from model.model import Model
from model.prediction import Output

TEXTS = Path(__file__).parent / "texts.txt"


def parity_of(model: Model, export: Model, texts: Sequence[str]) -> Parity:
    """The share of `texts` with the same answer, and the largest difference of a probability."""
    pairs = [
        (ours.output, theirs.output)
        for ours, theirs in zip(model.predict(texts), export.predict(texts), strict=True)
    ]
    return Parity(
        texts=len(texts),
        agreement=sum(ours.answer == theirs.answer for ours, theirs in pairs) / len(texts),
        difference=max(_difference(ours, theirs) for ours, theirs in pairs),
    )


def _difference(ours: Output, theirs: Output) -> float:
    """The largest difference of the scores that both outputs have."""
    left, right = ours.scores, theirs.scores
    return max((abs(left[key] - right[key]) for key in left.keys() & right.keys()), default=0.0)


def read_texts(file: Path) -> list[str]:
    """The texts in a file, each on a line; raises ExportError if there are none."""
    try:
        lines = [line for line in file.read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise ExportError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ExportError(f"{file} is not UTF-8. Name a text file with --texts.") from error
    if not lines:
        raise ExportError(f"{file} has no text in it, and at least one is needed.")
    return lines
