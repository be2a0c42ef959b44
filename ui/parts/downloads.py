"""Downloads of the log: by a button, which makes the file on a click, or by a link to a route.

A button holds its file in memory, so a file of many rows is streamed by the route.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import streamlit as st

from feedback import FeedbackLog
from ui import shared

MAX_ROWS = 50_000


def download(
    label: str,
    file_name: str,
    make: Callable[[FeedbackLog], Iterator[bytes]],
    *,
    rows: int,
    route: str = "",
    type: Literal["primary", "secondary"] = "secondary",
) -> None:
    """A download of the file that `make` gives, which the route has too.

    Without a `route` that is the export of the file's name.
    """
    icon = ":material/download:"
    if rows > MAX_ROWS:
        st.link_button(label, route or f"api/export/{file_name}", icon=icon, type=type)
        return
    st.download_button(
        label,
        data=partial(_whole, make),
        file_name=file_name,
        mime="text/csv" if file_name.endswith("csv") else "application/jsonl",
        icon=icon,
        on_click="ignore",
        type=type,
    )


def _whole(make: Callable[[FeedbackLog], Iterator[bytes]]) -> bytes:
    return b"".join(make(shared.log()))
