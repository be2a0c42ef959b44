"""Who is visiting: an id made from a random cookie, and the name that the reviewer gave.

The cookie (set by ui.visit_cookie) lasts as long as the browser is open, so that a reload is
still the same visit. Without it, a visit is a Streamlit session.
"""

import hashlib
import secrets
from dataclasses import dataclass

import streamlit as st

from ui.visit_cookie import COOKIE, is_visit_id

ANONYMOUS = "anonymous-"  # no name may begin like this
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
        return self.name or f"{ANONYMOUS}{self.id[:6]}"


def current() -> Visit:
    """The visit that this script run belongs to."""
    if "visit_id" not in st.session_state:
        cookie = _cookie()
        secret = cookie if is_visit_id(cookie) else secrets.token_hex(8)
        # The log is open to all, and the cookie must not be read from there and used by another.
        st.session_state["visit_id"] = hashlib.sha256(secret.encode()).hexdigest()[:16]
    visit_id: str = st.session_state["visit_id"]
    return Visit(visit_id, _names().get(visit_id, ""))


def rename(visit: Visit, name: str) -> Visit:
    """Keeps the name until the process ends, or 10,000 newer visits have named themselves."""
    name = " ".join(name.split())[:MAX_NAME_CHARS]
    renamed = Visit(visit.id, "" if name.startswith(ANONYMOUS) else name)
    names = _names()
    names.pop(visit.id, None)
    names[visit.id] = renamed.name
    while len(names) > MAX_NAMES:
        names.pop(next(iter(names)), None)
    return renamed


def _cookie() -> str:
    return st.context.cookies.get(COOKIE, "")


@st.cache_resource(show_spinner=False)
def _names() -> dict[str, str]:
    return {}
