"""The script that sessions run: page config, style sheet, navigation, and errors as sentences.

Streamlit takes a folder `pages/` beside this script for its old kind of pages. There is none, as
this script is here and not in the root.
"""

from pathlib import Path

import streamlit as st

from errors import TryoutError
from ui import shared
from ui.navigation import ICONS, PAGES
from ui.parts.text import as_markdown

HERE = Path(__file__).parent


def show_page() -> None:
    """Runs the page that the URL names."""
    try:
        settings = shared.settings()
    except TryoutError as error:
        st.error(as_markdown(str(error)))
        st.stop()
    st.set_page_config(
        page_title=settings.title or "Tryout",
        page_icon=str(HERE / "icon.png"),  # else the browser asks a font server for one
        layout="centered",
    )
    st.html(HERE / "style.css")
    names = [name for name in ICONS if name != "compare" or settings.compare.enabled]
    page = st.navigation(
        [
            st.Page(
                PAGES / f"{name}.py",
                title=name.capitalize(),
                icon=ICONS[name],
                default=name == "try",
            )
            for name in names
        ],
        position="top",
    )
    try:
        page.run()
    except TryoutError as error:
        st.error(as_markdown(str(error)))


if __name__ == "__main__":  # in a session; importing does nothing
    show_page()
