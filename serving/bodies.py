"""Parts of JSON bodies that several formats have. Knows no format and no route."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
)

from model import Prediction
from model.prediction import output_to_json


class Body(BaseModel):
    """A body without fields that it does not name, whose values have the types that it names."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ErrorBody(Body):
    """A sentence: the event, the value, and the remedy."""

    error: str


class Row(BaseModel):
    """A prediction as a row: its label, its score, and the whole output in its own JSON.

    Of an input that was cut, `truncated` is true. `read` and `spans_of` are there if the model read
    another text: that text, and which of the two spans are of.
    """

    label: str
    score: float | None
    output: JsonValue
    truncated: bool
    read: str | None = None
    spans_of: Literal["input", "read"] = "input"


def row_of(prediction: Prediction) -> dict[str, Any]:
    """The prediction as a `Row`."""
    row = {
        "label": prediction.label,
        "score": prediction.score,
        "output": output_to_json(prediction.output),
        "truncated": prediction.truncated,
    }
    if prediction.read is None:
        return row
    return row | {"read": prediction.read, "spans_of": prediction.spans_of}


FORM = "="  # the first character of the tag of a form, which is no place in a body


def text_or_list(value: Any) -> str:
    """The tag of a value that is a text or a list, by which an error is that of its own form."""
    return "=list" if isinstance(value, list) else "=text"


def text_or_object(value: Any) -> str:
    """The tag of a value that is a text or an object."""
    return "=object" if isinstance(value, dict) else "=text"


TextOrTexts = Annotated[
    Annotated[str, Tag("=text")]
    | Annotated[list[str], Field(min_length=1, fail_fast=True), Tag("=list")],
    Discriminator(text_or_list),
]


def _integer(value: Any) -> Any:
    """A float without a fraction as an integer, which it is in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Integer = Annotated[int, BeforeValidator(_integer)]
Params = dict[str, JsonValue] | None  # of a request, by name


def without_nulls(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """The parameters of a request; null is a parameter left out."""
    return {name: value for name, value in (params or {}).items() if value is not None}
