"""The pages, in the order of the navigation, and links from one to another.

Pages are named by absolute path: Streamlit would look beside the script that sessions run, which
is ui/router.py.
"""

from pathlib import Path

import streamlit as st

PAGES = Path(__file__).parent.parent / "pages"
ICONS = {
    "try": ":material/edit_note:",
    "batch": ":material/table_rows:",
    "review": ":material/rate_review:",
    "feedback": ":material/bar_chart:",
    "compare": ":material/compare_arrows:",
    "about": ":material/info:",
}


def page_link(name: str, label: str) -> None:
    """A link to the page of the script pages/`name`.py."""
    st.page_link(PAGES / f"{name}.py", label=label, icon=ICONS[name])
