"""Who is visiting: a random id from a cookie, and the name that the reviewer gave.

The cookie (set by ui.visit_cookie) lasts as long as the browser is open, so that a reload is
still the same visit. Without it, a visit is a Streamlit session.
"""

import secrets
from dataclasses import dataclass

import streamlit as st

from ui.visit_cookie import COOKIE, is_visit_id

MAX_NAMES = 10_000
MAX_NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class Visit:
    """`name` is "" for a reviewer who gave none."""

    id: str
    name: str

    @property
    def reviewer(self) -> str:
        """What ratings are stored under; anonymous visitors are told apart by their visit."""
        return self.name or f"anonymous-{self.id[:6]}"


def current() -> Visit:
    """The visit that this script run belongs to."""
    if "visit_id" not in st.session_state:
        cookie = _cookie()
        st.session_state["visit_id"] = cookie if is_visit_id(cookie) else secrets.token_hex(8)
    visit_id: str = st.session_state["visit_id"]
    return Visit(visit_id, _names().get(visit_id, ""))


def remember_name(visit_id: str, name: str) -> None:
    """Keeps the name until the process ends, or 10,000 newer visits have named themselves."""
    names = _names()
    names.pop(visit_id, None)
    names[visit_id] = " ".join(name.split())[:MAX_NAME_CHARS]
    while len(names) > MAX_NAMES:
        names.pop(next(iter(names)), None)


def _cookie() -> str:
    return st.context.cookies.get(COOKIE, "")


@st.cache_resource(show_spinner=False)
def _names() -> dict[str, str]:
    return {}
