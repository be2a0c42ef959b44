"""What can go wrong with a model; every message is one a visitor may read."""


class ModelError(Exception):
    """Something about the model; the message says what, with which value, and the remedy."""


class ModelLoadError(ModelError):
    """The model cannot be loaded."""


class InputError(ModelError):
    """The input cannot be predicted as it is."""


class ModelClosed(ModelError):
    """The model was closed, or not loaded yet."""
