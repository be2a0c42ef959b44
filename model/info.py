"""What a model is: its facts for a page, its parameters, its examples. Plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Example:
    """A text to try, with parameters that fit it."""

    text: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter of a prediction: what it is called, its default, and what it may be.

    Its kind is the type of `default`: bool, int, float, str, or tuple for a list of texts. A
    number lies between `minimum` and `maximum`, a list has at most `maximum` items, a text is one
    of `choices` if there are any. The form always shows one that is `essential`.
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
    """What is loaded: enough for a page about it and for a log entry to name it."""

    id: str
    revision: str
    title: str
    task: str
    intro: str
    placeholder: str
    labels: tuple[str, ...]
    params: tuple[Param, ...]
    examples: tuple[Example, ...]
    parameters: int
    memory_bytes: int
    max_tokens: int | None  # of a text; None where there is no limit
    truncation_side: Literal["right", "left"]  # the end of a longer text that is cut off
    runtime: str
    device: str
    dtype: str
    dtype_reason: str  # why, if it was chosen by a trial
    versions: Mapping[str, str]
    card: str
