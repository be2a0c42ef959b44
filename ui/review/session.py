"""What one reviewer is to look at: an item at a time from the queue, skipped, rated, undone.

Kept in the session's state. What is read from there is read before anything is stored: a reading
can end a run that the visitor has overtaken.
"""

import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import streamlit as st

from feedback import Entry
from feedback.corrections import labels_to_text
from feedback.records import Sampling
from feedback.review_queue import to_review
from model.prediction import ScoredLabels
from ui import shared, try_page, visits
from ui.parts import why

CANDIDATES = (20, 1000)  # more only if all of them are repeated, or taken meanwhile
HELD_KEY_S = 0.25  # presses that come faster are those of a key that is held down
EMPTY_FOR_S = 5.0
NEVER_S = float("-inf")
QUEUES = {
    "new": "New to you",
    "agreement": "Second opinion",
    "disagreement": "Disputed",
}


@dataclass(frozen=True, slots=True)
class Item:
    """A prediction to look at, and how it was chosen."""

    entry: Entry
    sampling: Sampling

    @property
    def id(self) -> UUID:
        return self.entry.prediction.id


@dataclass(slots=True)
class Desk:
    """One session's review: the item before the reviewer, and those that were."""

    queue: str = ""
    blind: bool = False
    item: Item | None = None
    empty_s: float = NEVER_S  # when the queue had nothing: to find that out may read it all
    rated: list[Item] = field(default_factory=list)
    skipped: list[UUID] = field(default_factory=list)
    said: str = ""  # about the item before
    texts: set[str] = field(default_factory=set)  # of what was before the reviewer
    pressed: tuple[str, float] = ("", 0.0)  # what was last done, and when, in seconds


def current() -> Desk:
    if "review" not in st.session_state:
        st.session_state["review"] = Desk()
    review: Desk = st.session_state["review"]
    return review


def restore_mode() -> None:
    """Has the page's two switches show what this visit last chose, also after a reload."""
    memory = visits.remembered(visits.current().id)
    st.session_state.setdefault("review-queue", memory.queue)
    st.session_state.setdefault("review-output", "Blind" if memory.blind else "Shown")


def keep_mode(queue: str, *, blind: bool) -> None:
    """Remembers what the switches show."""
    memory = visits.remembered(visits.current().id)
    memory.queue, memory.blind = queue, blind


def item(queue: str, *, blind: bool) -> Item | None:
    """What to look at now; None if the queue has nothing more for this reviewer.

    With `blind` something whose output this reviewer has not seen, while there is any.
    """
    review, visit = current(), visits.current()
    if review.queue != queue:
        review.queue, review.item, review.empty_s = queue, None, NEVER_S
    if review.item and queue == "new" and not shared.hand_outs().keep(review.item.id, visit.id):
        review.item = None  # it waited so long that another has it
    if blind and not review.blind and review.item and try_page.has_seen(review.item.entry):
        review.item = _next(review, queue, unseen=True) or review.item
    review.blind = blind
    if review.item is None and time.monotonic() - review.empty_s > EMPTY_FOR_S:
        review.item = (blind and _next(review, queue, unseen=True)) or _next(review, queue)
        review.empty_s = NEVER_S if review.item else time.monotonic()
    return review.item


def _next(review: Desk, queue: str, *, unseen: bool = False) -> Item | None:
    share = shared.settings().review.random_share
    orders: Sequence[Sampling] = ("agreement",) if queue == "agreement" else ("disagreement",)
    if queue == "new":
        orders = ("random", "margin") if random.random() < share else ("margin", "random")  # noqa: S311
    visit, held = visits.current(), shared.hand_outs()
    without = {one.id for one in review.rated} | set(review.skipped)
    if queue == "new":  # else several are wanted to look at the same
        without |= held.of_others(visit.id)
    if unseen:
        without |= visits.remembered(visit.id).seen.keys()
    for sampling, limit in itertools.product(orders, CANDIDATES):
        found = to_review(
            shared.log(),
            visit.reviewer,
            sampling,
            random_share=share,
            limit=limit,
            without=without,
        )
        # A text that was rated or skipped a moment ago teaches little the second time.
        wanted = (
            entry
            for entry in found
            if not (unseen and try_page.has_seen(entry))
            and entry.prediction.input not in review.texts
        )
        by_id = {entry.prediction.id: entry for entry in wanted}
        taken = held.take(by_id, visit.id) if queue == "new" else next(iter(by_id), None)
        if taken:
            try_page.outbox().samplings[taken] = sampling
            return Item(by_id[taken], sampling)
    return None


def nothing_left(queue: str) -> str:
    """What to do when a queue is empty."""
    if queue == "new":
        if not shared.log().counts().predictions:
            return "Nothing to review yet. Predict some texts first, one by one or as a batch."
        if shared.hand_outs().of_others(visits.current().id):
            return "What is left is before other reviewers now. Look again in a few minutes."
        return "You have seen all there is. Predict more texts, or look at what others have rated."
    if queue == "agreement":
        return "There is nothing that others have rated and you have not."
    return "Reviewers disagree on nothing that you have not rated."


def labels_of(entry: Entry) -> list[str]:
    """The labels that may apply, in alphabetical order; none where an output is something else."""
    output = entry.prediction.output
    if entry.prediction.answer_kind not in ("label", "labels"):
        return []
    return sorted(one.label for one in cast(ScoredLabels, output).items)


# --- callbacks -----------------------------------------------------------------------------------
# Each has the item that its button was shown for: a second press, while the run of the first is
# still under way, must not touch the next one.


def rate(one: Item, labels: Sequence[str], *, blind: bool = False) -> None:
    """Stores that these labels are right, and goes on."""
    output = cast(ScoredLabels, one.entry.prediction.output)
    right = set(labels) == set(output.chosen)
    correction = labels_to_text(sorted(labels)) if output.multi_label else labels[0]
    name_of = shared.names_for(one.entry.prediction)
    said, outcome = (", ".join(map(name_of, some)) or "none" for some in (labels, output.chosen))
    _rate(
        one,
        f"You said {said}; the model said {outcome}." if blind else "",
        verdict="up" if right else "down",
        correction="" if right else correction,
        blind=blind,
    )


def rate_wrong(one: Item) -> None:
    """Stores that the output is wrong and not what would be right, and goes on."""
    _rate(one, "", verdict="down")


def go_on(one: Item) -> None:
    """Goes on; what was not rated is skipped, and comes again when it is asked for."""
    review, reviewer, box = current(), visits.current().reviewer, try_page.outbox()
    rated = box.newest(one.entry, reviewer, shared.log) is not None
    if not _is_meant(review, one, "go on"):
        return
    if rated:
        review.rated.append(one)
    else:
        review.skipped.append(one.id)
        box.samplings.pop(one.id, None)  # rated elsewhere, it is the reviewer's own choice
    review.item, review.said = None, ""


def show_skipped() -> None:
    review = current()
    review.skipped.clear()
    review.texts.clear()
    review.empty_s = NEVER_S


def undo(one: Item) -> None:
    """Takes back the last rating, which was of `one`, and has it looked at again."""
    review, visit, box = current(), visits.current(), try_page.outbox()
    if _is_held(review, "undo") or not review.rated or review.rated[-1].id != one.id:
        return
    box.samplings[one.id] = one.sampling
    box.revise(one.entry, visit.reviewer, shared.log, retracted=True)
    visits.remembered(visit.id).saw(one.id)  # in blind mode the page has told what it was
    review.rated.pop()
    review.item, review.said = one, ""


def _is_held(review: Desk, done: str) -> bool:
    """Whether a press is one of a key that is held down, which does the same again and again."""
    (before, before_s), now_s = review.pressed, time.monotonic()
    review.pressed = (done, now_s)
    return done == before and now_s - before_s < HELD_KEY_S


def _is_meant(review: Desk, one: Item, done: str) -> bool:
    """Whether a press is for the item that is there, and not one of a key that is held down."""
    if _is_held(review, done) or review.item is None or review.item.id != one.id:
        return False
    review.texts.add(one.entry.prediction.input)
    return True


def _rate(one: Item, said: str, **changes: Any) -> None:
    review, reviewer, box = current(), visits.current().reviewer, try_page.outbox()
    if not _is_meant(review, one, f"{changes['verdict']} {changes.get('correction')}"):
        return
    if not changes.get("blind") and (seen := why.in_sight(one.id)):
        changes["attribution"] = seen
    review.rated.append(one)
    review.item, review.said = None, said
    box.revise(one.entry, reviewer, shared.log, **changes)
