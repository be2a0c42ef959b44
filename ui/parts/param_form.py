"""The widgets for a prediction's parameters, made from the task's descriptions of them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from model import InputError, Param
from model.params import MAX_PARAM_CHARS, checked_value
from ui import state
from ui.parts.text import printable

KEY = "param-"
MAX_LIST_CHARS = 5000


def show(params: Sequence[Param]) -> None:
    """A widget for each parameter; those that are not essential are folded away."""
    for param in params:
        _fill(param)
    for param in params:
        if param.essential:
            _widget(param)
    optional = [param for param in params if not param.essential]
    if optional:
        with st.expander("Options"):
            for param in optional:
                _widget(param)


def values(params: Sequence[Param]) -> dict[str, Any]:
    """The values of the widgets, by the names of parameters."""
    return {param.name: _value(param) for param in params}


def fill(params: Mapping[str, Any]) -> None:
    """Has the next run show these values, and defaults for the other parameters."""
    state.session().params = dict(params)
    for key in [key for key in st.session_state if str(key).startswith(KEY)]:
        del st.session_state[key]


def _fill(param: Param) -> None:
    """Puts a value into a widget that has none: a new widget, or one that a page left out.

    An opened prediction may come from another model or from a file. Where this model does not take
    its parameter or the value, the default is shown.
    """
    key = KEY + param.name
    if key in st.session_state:
        return
    value = param.default
    with suppress(InputError, KeyError):
        value = checked_value(param, state.session().params[param.name])
    if isinstance(param.default, tuple):
        value = "\n".join(map(printable, value))
    st.session_state[key] = value


def _value(param: Param) -> Any:
    value = st.session_state[KEY + param.name]
    return value.split("\n") if isinstance(param.default, tuple) else value


def _widget(param: Param) -> None:
    is_number = isinstance(param.default, int | float) and not isinstance(param.default, bool)
    bounds = f"{param.minimum:,g} to {param.maximum:,g}. " if is_number else ""
    common: dict[str, Any] = {"key": KEY + param.name, "help": f"{bounds}{param.hint}" or None}
    if param.choices:
        st.selectbox(param.title, param.choices, **common)
    elif isinstance(param.default, bool):
        st.checkbox(param.title, **common)
    elif is_number:
        # No bounds for the browser: it would refuse the form with a message in the folded part.
        st.number_input(param.title, step=1 if isinstance(param.default, int) else 0.1, **common)
    elif isinstance(param.default, tuple):
        st.text_area(param.title, max_chars=MAX_LIST_CHARS, height=110, **common)
    else:
        st.text_input(param.title, max_chars=MAX_PARAM_CHARS, **common)
