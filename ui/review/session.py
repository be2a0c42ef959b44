"""The review of a session: an item at a time from the queue, rated, skipped, undone.

The session's state is read before anything is stored: reading it can end a run that another click
has overtaken.
"""

import itertools
import random
import time
from collections.abc import Sequence
from typing import Any, cast

import streamlit as st

from feedback.corrections import labels_to_text
from feedback.records import Sampling
from feedback.review_queue import to_review
from model.prediction import ScoredLabels
from ui import shared, state, visits
from ui.parts import rating
from ui.parts.labels import names_for
from ui.state import NEVER_S, ReviewItem, ReviewState

CANDIDATES = (20, 1000)  # the many only if the few are all repeated, or held by others
HELD_KEY_S = 0.25  # presses that come faster are repeats of a key that is held down
EMPTY_FOR_S = 5.0  # before an empty queue is asked again
QUEUES = {
    "new": "New to you",
    "agreement": "Second opinion",
    "disagreement": "Disputed",
}


def restore_mode() -> None:
    """Sets the page's two switches to the visit's last choice, also after a reload."""
    memory = visits.memory_of(visits.current().id)
    st.session_state.setdefault(ReviewState.QUEUE, memory.queue)
    st.session_state.setdefault(ReviewState.OUTPUT, "Blind" if memory.blind else "Shown")


def keep_mode(queue: str, *, blind: bool) -> None:
    """Stores the choice of the two switches in the visit's memory."""
    memory = visits.memory_of(visits.current().id)
    memory.queue, memory.blind = queue, blind


def current_item(queue: str, *, blind: bool) -> ReviewItem | None:
    """The item to review now; None if the queue has no more for this reviewer.

    With `blind` its output is one that this reviewer has not seen, as long as there are any.
    """
    review, visit = state.review_page(), visits.current()
    if review.queue != queue:
        review.queue, review.item, review.empty_s = queue, None, NEVER_S
    if review.item and queue == "new" and not shared.assignments().renew(review.item.id, visit.id):
        review.item = None  # it waited so long that another reviewer holds it
    if blind and not review.blind and review.item and visits.has_seen(review.item.entry):
        review.item = _next(review, queue, unseen=True) or review.item
    review.blind = blind
    if review.item is None and time.monotonic() - review.empty_s > EMPTY_FOR_S:
        review.item = (blind and _next(review, queue, unseen=True)) or _next(review, queue)
        review.empty_s = NEVER_S if review.item else time.monotonic()
    return review.item


def _next(review: ReviewState, queue: str, *, unseen: bool = False) -> ReviewItem | None:
    share = shared.settings().review.random_share
    orders: Sequence[Sampling] = ("agreement",) if queue == "agreement" else ("disagreement",)
    if queue == "new":
        by_chance = random.random() < share  # noqa: S311 - not used as a secret
        orders = ("random", "margin") if by_chance else ("margin", "random")
    visit, assignments = visits.current(), shared.assignments()
    without = {rated.id for rated in review.rated} | set(review.skipped)
    if queue == "new":  # in the other queues several reviewers may get the same prediction
        without |= assignments.held_by_others(visit.id)
    if unseen:
        without |= visits.memory_of(visit.id).seen.keys()
    for sampling, limit in itertools.product(orders, CANDIDATES):
        candidates = to_review(
            shared.log(),
            visit.reviewer,
            sampling,
            random_share=share,
            limit=limit,
            without=without,
        )
        # A text that was rated or skipped a moment ago teaches little the second time.
        by_id = {
            entry.prediction.id: entry
            for entry in candidates
            if not (unseen and visits.has_seen(entry))
            and entry.prediction.input not in review.texts
        }
        first = next(iter(by_id), None)
        next_id = assignments.assign(by_id, visit.id) if queue == "new" else first
        if next_id:
            state.outbox().note_sampling(next_id, sampling)
            return ReviewItem(by_id[next_id], sampling)
    return None


def nothing_left(queue: str) -> str:
    """A sentence for an empty queue, with something to do next."""
    if queue == "new":
        if not shared.log().counts().predictions:
            return "Nothing to review yet. Predict some texts first, one by one or as a batch."
        if shared.assignments().held_by_others(visits.current().id):
            return "Other reviewers hold the rest now. Look again in a few minutes."
        return "You have seen all there is. Predict more texts, or review what others have rated."
    if queue == "agreement":
        return "There is nothing that others have rated and you have not."
    return "Reviewers disagree on nothing that you have not rated."


# --- callbacks -----------------------------------------------------------------------------------
# Each gets the item that its button was shown for: a second press, while the run of the first is
# still under way, must not touch the next item.


def rate(item: ReviewItem, labels: Sequence[str], *, blind: bool = False) -> None:
    """Stores that these labels are right, and goes on to the next item."""
    output = cast(ScoredLabels, item.entry.prediction.output)
    right = set(labels) == set(output.chosen)
    correction = labels_to_text(sorted(labels)) if output.multi_label else labels[0]
    name_of = names_for(item.entry.prediction)
    given, predicted = (
        ", ".join(map(name_of, names)) or "none" for names in (labels, output.chosen)
    )
    _rate(
        item,
        f"You said {given}; the model said {predicted}." if blind else "",
        verdict="up" if right else "down",
        correction="" if right else correction,
        blind=blind,
    )


def rate_wrong(item: ReviewItem) -> None:
    """Stores that the output is wrong, without a correction, and goes on to the next item."""
    _rate(item, "", verdict="down")


def go_on(item: ReviewItem) -> None:
    """Goes on to the next item; an item without a rating is skipped, see `show_skipped`."""
    review, reviewer, box = state.review_page(), visits.current().reviewer, state.outbox()
    rated = box.newest(item.entry, reviewer, shared.log) is not None
    if not _accepts(review, item, "go on"):
        return
    if rated:
        review.rated.append(item)
    else:
        review.skipped.append(item.id)
        box.note_sampling(item.id, "")  # a rating on another page is the reviewer's own choice
    review.item, review.message = None, ""


def show_skipped() -> None:
    """Returns the skipped items to the queue."""
    review = state.review_page()
    review.skipped.clear()
    review.texts.clear()
    review.empty_s = NEVER_S


def undo(item: ReviewItem) -> None:
    """Takes back the last rating, which was of `item`, and shows the item again."""
    review, visit, box = state.review_page(), visits.current(), state.outbox()
    if _is_key_held(review, "undo") or not review.rated or review.rated[-1].id != item.id:
        return
    box.note_sampling(item.id, item.sampling)
    box.revise(item.entry, visit.reviewer, shared.log, retracted=True)
    visits.memory_of(visit.id).saw(item.id)  # after a blind rating the page names the output
    review.rated.pop()
    review.item, review.message = item, ""


def _is_key_held(review: ReviewState, action: str) -> bool:
    """True if a press repeats the last action so soon that its key must be held down."""
    (before, before_s), now_s = review.pressed, time.monotonic()
    review.pressed = (action, now_s)
    return action == before and now_s - before_s < HELD_KEY_S


def _accepts(review: ReviewState, item: ReviewItem, action: str) -> bool:
    """True if a press is for the item that is shown, and its key is not held down.

    Then notes the item's text.
    """
    if _is_key_held(review, action) or review.item is None or review.item.id != item.id:
        return False
    review.texts.add(item.entry.prediction.input)
    return True


def _rate(item: ReviewItem, message: str, **changes: Any) -> None:
    review, store = state.review_page(), rating.prepared(item.entry, **changes)
    if not _accepts(review, item, f"{changes['verdict']} {changes.get('correction')}"):
        return
    review.rated.append(item)
    review.item, review.message = None, message
    store()
