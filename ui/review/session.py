"""One session's review: an item at a time from the queue, rated, skipped, undone.

The session's state is read before anything is stored: a reading can end a run that the visitor has
overtaken.
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

CANDIDATES = (20, 1000)  # more only if all of them are repeated, or taken meanwhile
HELD_KEY_S = 0.25  # presses that come faster are those of a key that is held down
EMPTY_FOR_S = 5.0
QUEUES = {
    "new": "New to you",
    "agreement": "Second opinion",
    "disagreement": "Disputed",
}


def restore_mode() -> None:
    """Has the page's two switches show what this visit last chose, also after a reload."""
    memory = visits.remembered(visits.current().id)
    st.session_state.setdefault(ReviewState.QUEUE, memory.queue)
    st.session_state.setdefault(ReviewState.OUTPUT, "Blind" if memory.blind else "Shown")


def keep_mode(queue: str, *, blind: bool) -> None:
    """Remembers what the switches show."""
    memory = visits.remembered(visits.current().id)
    memory.queue, memory.blind = queue, blind


def item(queue: str, *, blind: bool) -> ReviewItem | None:
    """What to look at now; None if the queue has nothing more for this reviewer.

    With `blind` something whose output this reviewer has not seen, while there is any.
    """
    review, visit = state.review_page(), visits.current()
    if review.queue != queue:
        review.queue, review.item, review.empty_s = queue, None, NEVER_S
    if review.item and queue == "new" and not shared.assignments().renew(review.item.id, visit.id):
        review.item = None  # it waited so long that another has it
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
        orders = ("random", "margin") if random.random() < share else ("margin", "random")  # noqa: S311
    visit, held = visits.current(), shared.assignments()
    without = {rated.id for rated in review.rated} | set(review.skipped)
    if queue == "new":  # else several are wanted to look at the same
        without |= held.held_by_others(visit.id)
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
            if not (unseen and visits.has_seen(entry))
            and entry.prediction.input not in review.texts
        )
        by_id = {entry.prediction.id: entry for entry in wanted}
        taken = held.assign(by_id, visit.id) if queue == "new" else next(iter(by_id), None)
        if taken:
            state.outbox().note_sampling(taken, sampling)
            return ReviewItem(by_id[taken], sampling)
    return None


def nothing_left(queue: str) -> str:
    """What to do when a queue is empty."""
    if queue == "new":
        if not shared.log().counts().predictions:
            return "Nothing to review yet. Predict some texts first, one by one or as a batch."
        if shared.assignments().held_by_others(visits.current().id):
            return "What is left is before other reviewers now. Look again in a few minutes."
        return "You have seen all there is. Predict more texts, or look at what others have rated."
    if queue == "agreement":
        return "There is nothing that others have rated and you have not."
    return "Reviewers disagree on nothing that you have not rated."


# --- callbacks -----------------------------------------------------------------------------------
# Each has the item that its button was shown for: a second press, while the run of the first is
# still under way, must not touch the next one.


def rate(item: ReviewItem, labels: Sequence[str], *, blind: bool = False) -> None:
    """Stores that these labels are right, and goes on."""
    output = cast(ScoredLabels, item.entry.prediction.output)
    right = set(labels) == set(output.chosen)
    correction = labels_to_text(sorted(labels)) if output.multi_label else labels[0]
    name_of = names_for(item.entry.prediction)
    said, outcome = (", ".join(map(name_of, some)) or "none" for some in (labels, output.chosen))
    _rate(
        item,
        f"You said {said}; the model said {outcome}." if blind else "",
        verdict="up" if right else "down",
        correction="" if right else correction,
        blind=blind,
    )


def rate_wrong(item: ReviewItem) -> None:
    """Stores that the output is wrong and not what would be right, and goes on."""
    _rate(item, "", verdict="down")


def go_on(item: ReviewItem) -> None:
    """Goes on; what was not rated is skipped, and comes again when it is asked for."""
    review, reviewer, box = state.review_page(), visits.current().reviewer, state.outbox()
    rated = box.newest(item.entry, reviewer, shared.log) is not None
    if not _is_meant(review, item, "go on"):
        return
    if rated:
        review.rated.append(item)
    else:
        review.skipped.append(item.id)
        box.note_sampling(item.id, "")  # rated elsewhere, it is the reviewer's own choice
    review.item, review.message = None, ""


def show_skipped() -> None:
    review = state.review_page()
    review.skipped.clear()
    review.texts.clear()
    review.empty_s = NEVER_S


def undo(item: ReviewItem) -> None:
    """Takes back the last rating, which was of `one`, and has it looked at again."""
    review, visit, box = state.review_page(), visits.current(), state.outbox()
    if _is_held(review, "undo") or not review.rated or review.rated[-1].id != item.id:
        return
    box.note_sampling(item.id, item.sampling)
    box.revise(item.entry, visit.reviewer, shared.log, retracted=True)
    visits.remembered(visit.id).saw(item.id)  # in blind mode the page has told what it was
    review.rated.pop()
    review.item, review.message = item, ""


def _is_held(review: ReviewState, done: str) -> bool:
    """Whether a press is one of a key that is held down, which does the same again and again."""
    (before, before_s), now_s = review.pressed, time.monotonic()
    review.pressed = (done, now_s)
    return done == before and now_s - before_s < HELD_KEY_S


def _is_meant(review: ReviewState, item: ReviewItem, done: str) -> bool:
    """Whether a press is for the item that is there, and not one of a key that is held down."""
    if _is_held(review, done) or review.item is None or review.item.id != item.id:
        return False
    review.texts.add(item.entry.prediction.input)
    return True


def _rate(item: ReviewItem, message: str, **changes: Any) -> None:
    review, store = state.review_page(), rating.prepared(item.entry, **changes)
    if not _is_meant(review, item, f"{changes['verdict']} {changes.get('correction')}"):
        return
    review.rated.append(item)
    review.item, review.message = None, message
    store()
