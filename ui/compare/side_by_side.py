"""A text for two models: their outputs in a hidden, random order, and the better of them."""

import random
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any

import streamlit as st

from feedback import Entry
from feedback.preferences import Better, Preference, preferences_csv, standing
from feedback.records import ModelRevision
from jobs.replay.report import by_chance
from model import ModelClosed, ModelError, Prediction, Predictor
from model.prediction import new_id, now
from model.text import check_text
from ui import shared, state, visits
from ui.parts import param_form
from ui.parts.card import card_html
from ui.parts.downloads import download
from ui.parts.labels import name_of
from ui.parts.text import as_markdown
from ui.parts.waiting import QUEUE_TIMEOUT_S, wait_for
from ui.state import Pair

PICKS: dict[Better, str] = {
    "first": "First is better",
    "second": "Second is better",
    "neither": "No difference",
}


def show(live: Predictor, other: Predictor | None) -> None:
    """A text for both models, their outputs, and the counts of choices so far."""
    if other is None:
        st.info("Load another model above: it answers beside the live model.")
        return
    if other.info.revision == live.info.revision:
        st.info("Both are the same revision and say the same. Load another one.")
        return
    with st.form("pair-form", border=False):
        text = st.text_area("Text", key="pair-text", height=110, placeholder=live.info.placeholder)
        param_form.show(live.info.params)
        if st.form_submit_button("Predict with both", type="primary"):
            _predict(live, other, text, param_form.values(live.info.params))
    if pair := _opened(live, other):
        _outputs(pair)
    _standing(live, other)


def _outputs(pair: Pair) -> None:
    hidden = pair.better is None
    for column, entry, title in zip(
        st.columns(2), (pair.first, pair.second), ("First", "Second"), strict=True
    ):
        column.markdown(f"**{title}**")
        column.html(card_html(entry.prediction, name_of, foot=not hidden))
    if pair.same_answer:
        st.caption("Both say the same.")
    with st.container(horizontal=True, key="picks"):
        for better, label in PICKS.items():
            st.button(label, on_click=_pick, args=(pair, better), disabled=not hidden)
    if pair.better:
        st.markdown(_revealed(pair))


def _standing(live: Predictor, other: Predictor) -> None:
    log = shared.log()
    models = (ModelRevision(model.info.id, model.info.revision) for model in (other, live))
    score = standing(log, *models)
    if not score.total:
        return
    st.subheader("So far")
    with st.container(horizontal=True, key="standing"):
        st.metric("The other model is better", f"{score.wins:,}")
        st.metric("The live model is better", f"{score.losses:,}")
        st.metric("No difference", f"{score.ties:,}")
    if score.decided:
        split = f"{score.wins:,} to {score.losses:,}"
        st.markdown(as_markdown(by_chance(score.p, split, score.decided)))
    download("Export choices", "preferences.csv", preferences_csv, rows=score.total)


def _opened(*models: Predictor) -> Pair | None:
    """The pair that this session has open, if it is of these models."""
    pair = state.compare_page().pair
    if pair is None:
        return None
    shown = {_model_of(entry.prediction) for entry in (pair.first, pair.second)}
    return pair if shown == {(m.info.id, m.info.revision) for m in models} else None


def _predict(live: Predictor, other: Predictor, text: str, params: Mapping[str, Any]) -> None:
    """Opens the predictions of both models for a text; says on the page why it cannot."""
    state.compare_page().pair = None
    futures = []
    try:
        check_text(text, max_chars=shared.settings().limits.max_chars)
        for model in (live, other):
            names = {param.name for param in model.info.params}
            own_params = {name: value for name, value in params.items() if name in names}
            futures.append(model.submit(text, own_params, timeout_s=QUEUE_TIMEOUT_S))
        predictions = [wait_for(future, "Predicting…") for future in futures]
    except ModelClosed:
        st.info("One of the models was replaced or unloaded meanwhile. Predict again.")
        return
    except ModelError as error:
        st.error(as_markdown(str(error)))
        return
    except CancelledError:
        st.info("Stopped before it began.")
        return
    finally:
        for future in futures:
            future.cancel()
    visit_id = visits.current().id
    first, second = (
        Entry(prediction=prediction, source="compare", session_id=visit_id)
        for prediction in predictions
    )
    for entry in (first, second):
        state.outbox().put(entry)
    state.outbox().send(shared.log)  # if that fails, the page says so at the next click
    if random.random() < 0.5:  # noqa: S311 - not used as a secret
        first, second = second, first
    state.compare_page().pair = Pair(new_id(), first, second)


def _pick(pair: Pair, better: Better) -> None:
    """Stores which is better, once; a callback of the buttons."""
    # All is read before anything changes: a read can end a run that was overtaken.
    page, box, reviewer = state.compare_page(), state.outbox(), visits.current().reviewer
    shown = page.pair
    if shown is None or shown.id != pair.id or shown.better is not None:
        return  # picked before, or another text was predicted meanwhile
    preference = Preference(
        id=pair.id,
        created_at=now(),
        reviewer=reviewer,
        first_id=pair.first.prediction.id,
        second_id=pair.second.prediction.id,
        better=better,
    )
    page.pair = replace(pair, better=better)
    box.prefer(pair.second, preference, shared.log)


def _model_of(prediction: Prediction) -> tuple[str, str]:
    return prediction.model_id, prediction.model_revision


def _revealed(pair: Pair) -> str:
    """The names of the models, for after a pick, as markdown."""
    first, second = (
        f"{as_markdown(entry.prediction.model_id)}, revision "
        f"{as_markdown(entry.prediction.model_revision)}"
        for entry in (pair.first, pair.second)
    )
    picked = {"first": "the first", "second": "the second", "neither": "neither"}
    better = picked[pair.better or "neither"]
    return f"You found {better} better. The first was **{first}**, the second **{second}**."
