"""What a task makes of text and of the numbers a forward pass returns.

Knows no runtime: it sees arrays, not tensors.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError, ModelError, ModelLoadError
from model.prediction import ScoredLabel

BLANK = {"Cc", "Cf", "Zl", "Zp", "Zs"}  # Unicode general categories


def check_text(text: str, *, max_chars: int) -> None:
    """Raises InputError if `text` is blank or longer than `max_chars` characters.

    Blank is also what has control and format characters only, such as zero-width spaces.
    """
    if all(unicodedata.category(character) in BLANK for character in text):
        raise InputError("There is no text to predict. Type or paste some.")
    if len(text) > max_chars:
        raise InputError(
            f"The text has {len(text):,} characters and the limit is {max_chars:,}. "
            "Shorten it, or split it and predict the parts."
        )


class TextClassification:
    """One label of several for a text; scores are the softmax of the logits."""

    name = "text-classification"

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Reads a transformers config; raises ModelLoadError if it is of another kind."""
        architectures: Sequence[str] = config.get("architectures") or ["none"]
        if not architectures[0].endswith("ForSequenceClassification"):
            raise ModelLoadError(
                f"The model's architecture is {architectures[0]}; {self.name} needs one that "
                "ends in ForSequenceClassification. Name a model fine-tuned for classification."
            )
        labels: Mapping[str, str] = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        if config.get("problem_type") not in (None, "single_label_classification"):
            raise ModelLoadError(
                f"The model's problem_type is {config['problem_type']}; only "
                "single_label_classification is supported. Name another model."
            )
        if len(labels) < 2:
            raise ModelLoadError(
                "The model has one label only, so it scores rather than classifies. "
                "Name a model with two labels or more."
            )
        self.labels = tuple(labels[key] for key in sorted(labels, key=int))

    def output(self, logits: NDArray[np.float32]) -> tuple[ScoredLabel, ...]:
        """Labels by falling score, from logits of shape (labels,).

        Raises ModelError if a logit is not a finite number: such a score means nothing.
        """
        if not np.isfinite(logits).all():
            raise ModelError(
                "the scores are not numbers, as half precision or damaged weights can cause. "
                'Set dtype = "float32" or check the weights.'
            )
        exponentials = np.exp(logits.astype(np.float64) - logits.max())
        scores = exponentials / exponentials.sum()
        order = np.argsort(-scores, kind="stable")
        return tuple(ScoredLabel(self.labels[i], float(scores[i])) for i in order)
