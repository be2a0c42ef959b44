"""Use from code: requests for the text on a page, to copy, in a format of the visitor's choice."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from model import ModelInfo, Prediction
from ui import shared
from ui.parts import snippets

TITLE = "Use from code"


def show_folded(info: ModelInfo, prediction: Prediction) -> None:
    """An expander with the code for a prediction, which is made when it is opened.

    No fragment: one would cost each prediction 0.4 ms, and the expander alone costs it 0.15 ms.
    """
    folded = st.expander(
        TITLE, icon=":material/code:", type="compact", key="use-from-code", on_change="rerun"
    )
    if folded.open:
        with folded:
            show(info, prediction.input, prediction.params)


def show(info: ModelInfo, text: str, params: Mapping[str, Any], *, page: str = "") -> None:
    """The code that asks for this text; `page` is the path of the page on which it is shown."""
    formats = {each.name: each for each in snippets.formats_for(info.task)}
    chosen = formats[st.selectbox("Format", formats, key="code-format")]
    st.caption(chosen.about)
    call = snippets.call_of(
        info,
        text,
        params,
        address=_address(page),
        name=shared.settings().model.name,
        needs_key=shared.has_keys(),
    )
    snippet = chosen.snippet(call)
    curl, python = st.tabs(["curl", "Python"], key="code-language")
    curl.code(snippet.curl, language="bash", wrap_lines=True)
    python.code(snippet.python, language="python", wrap_lines=True)
    if call.needs_key:
        st.caption(
            "A program needs a key. Ask the owner of this app for yours, and put it into the "
            "environment as TRYOUT_KEY."
        )


def _address(page: str) -> str:
    """The address of the app as the visitor's browser has it."""
    url = st.context.url or f"http://localhost:{st.get_option('server.port')}"
    return snippets.address_of(url, page=page, base_path=st.get_option("server.baseUrlPath"))
