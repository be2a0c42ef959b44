"""The way in which pages store a rating: at once, as a revision of the reviewer's newest rating.

Reading the session's state can end a run that another click has overtaken. So all is read first,
and a store that has begun is finished.
"""

from collections.abc import Callable
from typing import Any

from feedback import Entry
from feedback.records import MAX_TEXT_CHARS
from ui import shared, state, visits
from ui.parts import explanation, typed


def save(entry: Entry, **changes: Any) -> None:
    """Stores the newest rating with `changes`, and with texts that were typed and not taken yet."""
    prepared(entry, **changes)()


def prepared(entry: Entry, **changes: Any) -> Callable[[], None]:
    """Reads all that `save` needs, and returns the function that stores it.

    The rating is blind only if `changes` say so: elsewhere the output is in sight. The explanation
    that is in sight is stored with it.
    """
    reviewer, box, taken = visits.current().reviewer, state.outbox(), state.session().taken
    fields = {
        "comment": state.SessionState.comment_key(entry),
        "correction": state.SessionState.correction_key(entry),
    }
    texts = {name: typed.untaken(key) for name, key in fields.items()}
    fitting = {
        name: text
        for name, text in texts.items()
        if text is not None and len(text) <= MAX_TEXT_CHARS
    }
    revision = {name: text.strip() for name, text in fitting.items()} | changes
    if "verdict" in revision or "correction" in revision:
        revision.setdefault("blind", False)
    if not revision.get("blind") and (seen := explanation.in_sight(entry.prediction.id)):
        revision["attribution"] = seen

    def store() -> None:
        box.revise(entry, reviewer, shared.log, **revision)
        for name, text in fitting.items():
            taken[fields[name]] = text

    return store
