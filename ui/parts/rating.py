"""The one way in which a page stores a rating: at once, as a revision of the reviewer's newest.

A reading of the session's state can end a run that the visitor has overtaken with another click.
So everything is read first, and a store that has begun is finished.
"""

from collections.abc import Callable
from typing import Any

from feedback import Entry
from ui import shared, state, visits
from ui.parts import explanation, typed

MAX_TEXT_CHARS = 20_000


def comment_key(entry: Entry) -> str:
    """The widget key of the comment on a prediction."""
    return f"comment-{entry.prediction.id}"


def correction_key(entry: Entry) -> str:
    """The widget key of a correction that is typed as a text."""
    return f"correction-{entry.prediction.id}"


def save(entry: Entry, **changes: Any) -> None:
    """Stores a rating: `changes` to the newest one, and the texts that were typed and not taken."""
    prepared(entry, **changes)()


def prepared(entry: Entry, **changes: Any) -> Callable[[], None]:
    """The store of a rating as `save` does it, for which everything is read by now.

    The rating is blind only if `changes` say so: elsewhere the output is in sight. The explanation
    that is in sight is stored with it.
    """
    reviewer, box, taken = visits.current().reviewer, state.outbox(), state.session().taken
    fields = {"comment": comment_key(entry), "correction": correction_key(entry)}
    texts = {name: typed.untaken(key) for name, key in fields.items()}
    fitting = {n: t for n, t in texts.items() if t is not None and len(t) <= MAX_TEXT_CHARS}
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
