"""The names of labels and models on pages: short, the owner's if there are any, never two alike.

Stored is always the model's own label.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from feedback.records import ModelRevision
from files.names import numbered
from model import Prediction
from ui import shared
from ui.parts.text import printable, shortened

NameOf = Callable[[str], str]
T = TypeVar("T")
MAX_CHARS = 60


def name_of(label: str) -> str:
    """The owner's name of a label; the label itself if it has none."""
    return shared.settings().model.labels.get(label, label)


def names_for(prediction: Prediction) -> NameOf:
    """The names of a prediction's labels: the owner's, if it is a prediction of the live model."""
    return name_of if prediction.model_id == shared.settings().model.id else str


def shown_labels(
    labels: Iterable[str],
    *,
    empty: str,
    name_of: NameOf = name_of,
    max_chars: int = MAX_CHARS,
) -> dict[str, str]:
    """The text that stands for each label in a widget or chart; `empty` for the label ""."""
    return distinct(
        labels, lambda label: shortened(printable(name_of(label)), max_chars=max_chars) or empty
    )


def distinct(items: Iterable[T], shown: Callable[[T], str]) -> dict[T, str]:
    """The text that stands for each item, never the same for two: Streamlit confuses those."""
    unique = list(dict.fromkeys(items))
    return dict(zip(unique, numbered(map(shown, unique)), strict=True))


def revision_name(revision: ModelRevision) -> str:
    """A model in one short line."""
    model_id = shortened(revision.model_id, max_chars=40)
    of_model, plus, of_function = revision.model_revision.partition("+")
    return printable(f"{model_id} @ {of_model[:7]}{plus}{of_function[:4]}")
