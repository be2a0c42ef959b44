"""A transformers model, from text to prediction.

Knows nothing of pages, routes or the feedback log, and imports torch and transformers only when
a model is loaded.
"""

from model.errors import InputError, ModelClosed, ModelError, ModelLoadError
from model.model import Model
from model.prediction import ModelInfo, Prediction, ScoredLabel

__all__ = [
    "InputError",
    "Model",
    "ModelClosed",
    "ModelError",
    "ModelInfo",
    "ModelLoadError",
    "Prediction",
    "ScoredLabel",
]
