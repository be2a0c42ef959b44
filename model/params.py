"""Checks of the parameters of a prediction against those that its task has.

Knows no task, only a sequence of `Param`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from model.errors import InputError
from model.info import Param

MAX_PARAM_CHARS = 500  # of a text, and of each text of a list


def with_defaults(params: Sequence[Param], values: Mapping[str, Any]) -> tuple[Param, ...]:
    """The parameters, with those of `values` as their defaults."""
    return tuple(
        replace(param, default=frozen(values.get(param.name, param.default))) for param in params
    )


def frozen(value: Any) -> Any:
    """A list as a tuple, as the default of a parameter has it."""
    return tuple(value) if isinstance(value, list) else value


def checked(
    params: Sequence[Param], given: Mapping[str, Any], *, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """A value for each parameter: the given one, else that of `defaults`, else its own default.

    `defaults` are the owner's. Raises InputError for a name that is not in `params`, and as
    `checked_value` does.
    """
    names = [param.name for param in params]
    for name in given:
        if name not in names:
            known = f"it has {', '.join(names)}" if names else "it has none"
            raise InputError(f"This model has no parameter {name!r:.80}; {known}.")
    values = {param.name: param.default for param in params} | dict(defaults) | dict(given)
    return {param.name: checked_value(param, values[param.name]) for param in params}


def checked_value(param: Param, value: Any) -> Any:
    """`value` in the kind of the parameter; a list of texts without blanks and repetitions.

    Raises InputError if it is of another kind, or out of bounds.
    """
    if isinstance(param.default, tuple):
        return _list(param, value)
    if isinstance(param.default, float) and type(value) is int and abs(value) < 2**53:
        value = float(value)
    if type(value) is not type(param.default):
        raise InputError(f"{param.name} is {value!r:.80}; it must be {_expected(param)}.")
    if isinstance(value, str) and len(value) > MAX_PARAM_CHARS:
        raise InputError(f"{param.title}: {len(value):,} characters; at most {MAX_PARAM_CHARS}.")
    if param.choices and value not in param.choices:
        raise InputError(f"{param.name} is {value!r:.80}; it must be {' or '.join(param.choices)}.")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and not param.minimum <= value <= param.maximum:
        raise InputError(f"{param.name} is {value!r:.80}; it must be {_expected(param)}.")
    return value


def _list(param: Param, value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputError(f"{param.name} is {value!r:.80}; it must be {_expected(param)}.")
    if not all(isinstance(item, str) for item in value):
        raise InputError(f"{param.name} is {value!r:.80}; it must be {_expected(param)}.")
    items = list(dict.fromkeys(item.strip() for item in value if item.strip()))
    if not 1 <= len(items) <= param.maximum:
        raise InputError(
            f"{param.title}: {len(items)} given; name at least 1 and at most {param.maximum}."
        )
    if (longest := max(map(len, items))) > MAX_PARAM_CHARS:
        raise InputError(
            f"{param.title}: one has {longest:,} characters; each may have {MAX_PARAM_CHARS}."
        )
    return items


def _expected(param: Param) -> str:
    if isinstance(param.default, tuple):
        return "a list of texts"
    if isinstance(param.default, bool):
        return "true or false"
    if isinstance(param.default, str):
        return "a text"
    number = "a whole number" if isinstance(param.default, int) else "a number"
    return f"{number} from {param.minimum} to {param.maximum}"
