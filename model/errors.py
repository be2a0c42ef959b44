"""The errors of a model; their messages are fit to be shown to a visitor."""

from errors import Busy, InvalidInput, TimedOut, TryoutError, Unavailable


class ModelError(TryoutError):
    """The root of the errors of a model; raised itself if a forward pass fails."""


class ModelLoadError(ModelError):
    """The model cannot be loaded."""


class InputError(ModelError, InvalidInput):
    """The text or a parameter cannot be used as it is."""


class ModelClosed(ModelError, Unavailable):
    """The model was closed, or is not loaded yet."""


class ModelUnreachable(ModelError, Unavailable):
    """The service that has the model does not answer; the same call can succeed later.

    With `may_have_run` False nothing was computed.
    """

    def __init__(self, message: str, *, may_have_run: bool = False) -> None:
        super().__init__(message)
        self.may_have_run = may_have_run


class ModelBusy(ModelError, Busy):
    """Too many texts wait for the model; `wait_s` estimates how long they take, in seconds."""

    def __init__(self, wait_s: float, *, waited_s: float = 0.0, message: str = "") -> None:
        """Without a `message`, such as that of a service, the sentence is made of the times."""
        waited = f"This text waited {waited_s:.0f} s. " if waited_s else ""
        super().__init__(
            message
            or f"The model is overloaded. {waited}Try again in about {max(1, round(wait_s))} s."
        )
        self.wait_s = wait_s


class ModelTimedOut(ModelBusy, TimedOut):
    """A text has waited for longer than its caller allows."""
