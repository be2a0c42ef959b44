"""The facts of a model, its parameters and its examples, as plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Example:
    """A text to try, with values of parameters that fit it."""

    text: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter of a prediction: its name, its default, and the values that it may have.

    Its kind is the type of `default`: bool, int, float, str, or tuple for a list of texts. A
    number lies between `minimum` and `maximum`, a list has at most `maximum` items, a text is
    among `choices` if there are any. A form always shows an `essential` parameter.
    """

    name: str
    title: str
    default: Any
    minimum: float = 0
    maximum: float = 0
    choices: tuple[str, ...] = ()
    hint: str = ""
    essential: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """The facts of a loaded model, for a page about it and for the log to name it.

    The server of a model elsewhere may not tell all: then numbers are 0 and `labels` and `versions`
    are empty, as `labels` also is for tasks without a fixed set of them.
    """

    id: str
    revision: str
    title: str
    task: str
    intro: str
    placeholder: str
    labels: tuple[str, ...]
    mask_token: str | None  # marks the gap of fill-mask; None for other tasks
    params: tuple[Param, ...]
    examples: tuple[Example, ...]
    parameters: int
    memory_bytes: int  # of the weights in this process
    max_tokens: int | None  # of a text; None without a limit, or not told
    truncation_side: Literal["right", "left"]  # the side where a longer text is cut
    runtime: str
    device: str
    dtype: str
    dtype_reason: str  # the result of the trial that chose the dtype; "" without a trial
    versions: Mapping[str, str]
    card: str

    @property
    def name(self) -> str:
        """The last part of the id: the model's name for clients, unless its owner has another."""
        return last_part(self.id)


def last_part(model_id: str) -> str:
    """The part of a model's id, or of the path to its folder, after the last slash."""
    return model_id.rstrip("/").split("/")[-1]
