"""One text before two models: what they said, in an order that nobody knows, and which is better.

Kept in the session's state, as ui.desk keeps what Try has open.
"""

import random
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import streamlit as st

from feedback import Entry
from feedback.outcomes import answer_of
from feedback.preferences import Better, Preference
from model import Model, ModelError, Prediction
from model.prediction import new_id, now
from model.tasks import check_text
from ui import desk, shared, visits
from ui.text import as_markdown
from ui.waiting import wait_for

KEY = "pair"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two predictions in the order in which they are shown; `id` is that of the choice to come."""

    id: UUID
    first: Entry
    second: Entry
    better: Better | None = None

    @property
    def says_the_same(self) -> bool:
        return answer_of(self.first.prediction) == answer_of(self.second.prediction)


def opened(*models: Model) -> Pair | None:
    """The pair that this session has open, if it is one of these models."""
    pair: Pair | None = st.session_state.get(KEY)
    if pair is None:
        return None
    shown = {_named(entry.prediction) for entry in (pair.first, pair.second)}
    return pair if shown == {(m.info.id, m.info.revision) for m in models} else None


def predict(live: Model, other: Model, text: str, params: Mapping[str, Any]) -> None:
    """Opens what two models say of a text; says on the page why not."""
    st.session_state.pop(KEY, None)
    futures = []
    try:
        check_text(text, max_chars=shared.settings().limits.max_chars)
        for model in (live, other):
            taken = {param.name for param in model.info.params}
            asked = {name: value for name, value in params.items() if name in taken}
            futures.append(model.submit(text, asked, timeout_s=desk.QUEUE_TIMEOUT_S))
        made = [wait_for(future, "Predicting…") for future in futures]
    except ModelError as error:
        st.error(as_markdown(str(error)))
        return
    except CancelledError:
        st.info("Stopped before it began.")
        return
    finally:
        for future in futures:
            future.cancel()
    visit = visits.current().id
    first, second = (Entry(prediction=p, source="compare", session_id=visit) for p in made)
    for entry in (first, second):
        desk.outbox().put(entry)
    desk.outbox().send(shared.log)  # if that fails, the page says so at the next click
    if random.random() < 0.5:  # noqa: S311 - no secret hangs on it
        first, second = second, first
    st.session_state[KEY] = Pair(new_id(), first, second)


def pick(pair: Pair, better: Better) -> None:
    """Stores which is better, once; a callback of the buttons."""
    shown: Pair | None = st.session_state.get(KEY)
    if shown is None or shown.id != pair.id or shown.better is not None:
        return  # picked before, or another text was asked for meanwhile
    chosen = Preference(
        id=pair.id,
        created_at=now(),
        reviewer=visits.current().reviewer,
        first_id=pair.first.prediction.id,
        second_id=pair.second.prediction.id,
        better=better,
    )
    st.session_state[KEY] = Pair(pair.id, pair.first, pair.second, better)
    desk.outbox().prefer(pair.second, chosen, shared.log)


def _named(prediction: Prediction) -> tuple[str, str]:
    return prediction.model_id, prediction.model_revision


def revealed(pair: Pair) -> str:
    """Which models they were, once one was picked, as markdown."""
    first, second = (
        f"{as_markdown(entry.prediction.model_id)}, revision "
        f"{as_markdown(entry.prediction.model_revision)}"
        for entry in (pair.first, pair.second)
    )
    chosen = {"first": "the first", "second": "the second", "neither": "neither"}
    better = chosen[pair.better or "neither"]
    return f"You found {better} better. The first was **{first}**, the second **{second}**."
