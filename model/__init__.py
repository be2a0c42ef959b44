"""A transformers model, from text to prediction.

Knows no page, route or feedback log. torch and transformers are imported when a model is loaded.
"""

from model.attribution import attribute, can_attribute
from model.errors import (
    InputError,
    ModelBusy,
    ModelClosed,
    ModelError,
    ModelLoadError,
    ModelTimedOut,
    ModelUnreachable,
)
from model.factory import make_predictor
from model.generation import Generation
from model.info import Example, ModelInfo, Param
from model.model import Model
from model.prediction import (
    Attribution,
    GeneratedText,
    Prediction,
    ScoredLabel,
    ScoredLabels,
    Span,
    Spans,
    Weight,
)
from model.predictor import Predictor

__all__ = [
    "Attribution",
    "Example",
    "GeneratedText",
    "Generation",
    "InputError",
    "Model",
    "ModelBusy",
    "ModelClosed",
    "ModelError",
    "ModelInfo",
    "ModelLoadError",
    "ModelTimedOut",
    "ModelUnreachable",
    "Param",
    "Prediction",
    "Predictor",
    "ScoredLabel",
    "ScoredLabels",
    "Span",
    "Spans",
    "Weight",
    "attribute",
    "can_attribute",
    "make_predictor",
]
