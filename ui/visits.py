"""The current visit: an id made from a random cookie, and a memory of the visit in the process.

The cookie (set by ui.visit_cookie) lasts as long as the browser is open, so that a reload is
still the same visit. Without it, a visit is a Streamlit session.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from uuid import UUID

import streamlit as st

from feedback import Entry
from feedback.records import ANONYMOUS, reviewer_name
from model import Prediction
from ui import state
from ui.visit_cookie import COOKIE, is_visit_id

MAX_VISITS = 10_000
MAX_SEEN = 5_000  # outputs that a visit has seen; older ones are forgotten


@dataclass(frozen=True, slots=True)
class Visit:
    """`name` is "" for a reviewer who gave none."""

    id: str
    name: str

    @property
    def reviewer(self) -> str:
        """The name in ratings; those of anonymous visitors differ by visit."""
        return self.name or f"{ANONYMOUS}{self.id[:6]}"


def current() -> Visit:
    """The visit that this script run belongs to."""
    session = state.session()
    if not session.visit_id:
        cookie = _cookie()
        secret = cookie if is_visit_id(cookie) else secrets.token_hex(8)
        # Visit ids are public (the log exports them), so store a hash: the cookie must not be
        # recoverable.
        session.visit_id = hashlib.sha256(secret.encode()).hexdigest()[:16]
    return Visit(session.visit_id, memory_of(session.visit_id).name)


@dataclass(slots=True)
class Memory:
    """A visit's name, its choices on the Review page, and the predictions whose output it saw."""

    name: str = ""
    queue: str = "new"
    blind: bool = False
    seen: dict[UUID, None] = field(default_factory=dict)

    def saw(self, prediction_id: UUID) -> None:
        self.seen[prediction_id] = None
        while len(self.seen) > MAX_SEEN:
            self.seen.pop(next(iter(self.seen)), None)


def memory_of(visit_id: str) -> Memory:
    """The memory of a visit; it lasts until the process ends, or 10,000 newer visits have come."""
    memories = _memories()
    memory = memories.setdefault(visit_id, Memory())
    while len(memories) > MAX_VISITS:
        memories.pop(next(iter(memories)), None)
    return memory


def rename(visit: Visit, name: str) -> Visit:
    """Stores the name, which may be ""; one that begins like an anonymous visitor's becomes ""."""
    memory = memory_of(visit.id)
    memory.name = reviewer_name(name)
    return Visit(visit.id, memory.name)


def is_reserved(name: str) -> bool:
    """True for a name that begins like an anonymous visitor's."""
    return name.lstrip().startswith(ANONYMOUS)


def saw(*predictions: Prediction) -> None:
    """Notes that this visit has had these outputs in sight."""
    memory = memory_of(current().id)
    for prediction in predictions:
        memory.saw(prediction.id)


def has_seen(entry: Entry) -> bool:
    """True if this visit has had the output of `entry` in sight."""
    visit_id = current().id
    asked_for_it = entry.source != "batch" and entry.session_id == visit_id
    return asked_for_it or entry.prediction.id in memory_of(visit_id).seen


def _cookie() -> str:
    return st.context.cookies.get(COOKIE, "")


@st.cache_resource(show_spinner=False)
def _memories() -> dict[str, Memory]:
    return {}
