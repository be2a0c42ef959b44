"""The errors of a model; each message is one that a visitor may read."""

from errors import Busy, InvalidInput, TryoutError, Unavailable


class ModelError(TryoutError):
    """The root of a model's errors, and a forward pass that fails."""


class ModelLoadError(ModelError):
    """The model cannot be loaded."""


class InputError(ModelError, InvalidInput):
    """The input cannot be predicted as it is."""


class ModelClosed(ModelError, Unavailable):
    """The model was closed, or not loaded yet."""


class ModelBusy(ModelError, Busy):
    """Too much waits for the model; `wait_s` is about how long that takes, in seconds."""

    def __init__(self, wait_s: float, *, waited_s: float = 0.0) -> None:
        waited = f"This one waited {waited_s:.0f} s. " if waited_s else ""
        super().__init__(
            f"The model is overloaded. {waited}Try again in about {max(1, round(wait_s))} s."
        )
        self.wait_s = wait_s
