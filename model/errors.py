"""What can go wrong with a model; every message is one a visitor may read."""


class ModelError(Exception):
    """Something about the model; the message says what, with which value, and the remedy."""


class ModelLoadError(ModelError):
    """The model cannot be loaded."""


class InputError(ModelError):
    """The input cannot be predicted as it is."""


class ModelClosed(ModelError):
    """The model was closed, or not loaded yet."""


class ModelBusy(ModelError):
    """Too much waits for the model; `wait_s` is about how long that takes, in seconds."""

    def __init__(self, wait_s: float, *, waited_s: float = 0.0) -> None:
        waited = f"This one waited {waited_s:.0f} s. " if waited_s else ""
        super().__init__(
            f"The model has more to do than it can. {waited}"
            f"Try again in about {max(1, round(wait_s))} s."
        )
        self.wait_s = wait_s
