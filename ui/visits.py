"""Who is visiting: an id made from a random cookie, and what the process remembers of the visit.

The cookie (set by ui.visit_cookie) lasts as long as the browser is open, so that a reload is
still the same visit. Without it, a visit is a Streamlit session.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from uuid import UUID

import streamlit as st

from ui.visit_cookie import COOKIE, is_visit_id

ANONYMOUS = "anonymous-"  # no name may begin like this
MAX_VISITS = 10_000
MAX_SEEN = 5_000  # outputs that a visit is known to have seen
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
    return Visit(visit_id, remembered(visit_id).name)


@dataclass(slots=True)
class Memory:
    """A visit's name, how it reviews, and the predictions whose output it has seen, newest last."""

    name: str = ""
    queue: str = "new"
    blind: bool = False
    seen: dict[UUID, None] = field(default_factory=dict)

    def saw(self, prediction_id: UUID) -> None:
        self.seen[prediction_id] = None
        while len(self.seen) > MAX_SEEN:
            self.seen.pop(next(iter(self.seen)), None)


def remembered(visit_id: str) -> Memory:
    """What is kept of a visit until the process ends, or 10,000 newer ones have come."""
    memories = _memories()
    memory = memories.setdefault(visit_id, Memory())
    while len(memories) > MAX_VISITS:
        memories.pop(next(iter(memories)), None)
    return memory


def rename(visit: Visit, name: str) -> Visit:
    """Keeps the name, which may be ""; none may begin like those of anonymous visitors."""
    name = " ".join(name.split())[:MAX_NAME_CHARS]
    memory = remembered(visit.id)
    memory.name = "" if name.startswith(ANONYMOUS) else name
    return Visit(visit.id, memory.name)


def _cookie() -> str:
    return st.context.cookies.get(COOKIE, "")


@st.cache_resource(show_spinner=False)
def _memories() -> dict[str, Memory]:
    return {}
