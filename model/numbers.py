"""Probabilities from logits, and labels in their order; numpy arrays for every runtime."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelError
from model.prediction import ScoredLabel, ScoredLabels

Floats = NDArray[Any]


def softmax(logits: Floats) -> NDArray[np.float64]:
    """Probabilities over the last axis of logits, in the shape of `logits`; nothing overflows.

    Raises ModelError for logits that are not finite.
    """
    finite = _finite(logits)
    exponentials = np.exp(finite - finite.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def sigmoid(logits: Floats) -> NDArray[np.float64]:
    """A probability for each logit by itself, in the shape of `logits`.

    Raises ModelError for logits that are not finite.
    """
    return np.asarray(0.5 * (1 + np.tanh(0.5 * _finite(logits))))


def _finite(logits: Floats) -> NDArray[np.float64]:
    if not np.isfinite(logits).all():
        raise ModelError(
            "the scores are not numbers, as half precision or damaged weights can cause. "
            'Set dtype = "float32" or check the weights.'
        )
    return logits.astype(np.float64)


def by_score(
    labels: Sequence[str], scores: NDArray[np.float64], *, multi_label: bool
) -> ScoredLabels:
    """Labels by falling score; labels of equal score keep their order.

    `scores` has the shape (labels,).
    """
    order = np.argsort(-scores, kind="stable")
    return ScoredLabels(tuple(ScoredLabel(labels[i], float(scores[i])) for i in order), multi_label)
