"""The widgets for a prediction's parameters, made from what the task says of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from model import Param
from ui.text import printable

KEY = "param-"


def show(params: Sequence[Param]) -> None:
    """A widget for each; those that are not essential are folded away."""
    for param in params:
        _fill(param)
    for param in params:
        if param.essential:
            _widget(param)
    others = [param for param in params if not param.essential]
    if others:
        with st.expander("Options"):
            for param in others:
                _widget(param)


def values(params: Sequence[Param]) -> dict[str, Any]:
    """What the widgets hold now."""
    return {param.name: _value(param) for param in params}


def fill(given: Mapping[str, Any]) -> None:
    """Has the next run show these values, and defaults where there are none."""
    st.session_state["params"] = dict(given)
    for key in [key for key in st.session_state if str(key).startswith(KEY)]:
        del st.session_state[key]


def _fill(param: Param) -> None:
    """Puts a value into a widget that this session has not shown yet, or that was left behind."""
    key = KEY + param.name
    if key in st.session_state:
        return
    given = st.session_state.get("params", {}).get(param.name, param.default)
    if isinstance(param.default, tuple):
        given = ", ".join(map(printable, given))
    st.session_state[key] = given


def _value(param: Param) -> Any:
    value = st.session_state[KEY + param.name]
    return (
        [item.strip() for item in value.split(",")] if isinstance(param.default, tuple) else value
    )


def _widget(param: Param) -> None:
    common: dict[str, Any] = {"key": KEY + param.name, "help": param.hint or None}
    if param.choices:
        st.selectbox(param.title, param.choices, **common)
    elif isinstance(param.default, bool):
        st.checkbox(param.title, **common)
    elif isinstance(param.default, int | float):
        kind = type(param.default)
        st.number_input(
            param.title,
            min_value=kind(param.minimum),
            max_value=kind(param.maximum),
            step=kind(1) if kind is int else 0.1,
            **common,
        )
    else:
        st.text_input(param.title, **common)
