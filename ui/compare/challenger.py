"""The challenger on the Compare page: named by a visitor, loaded, described, unloaded."""

import streamlit as st

from jobs.challenger import Challenger
from model import ModelError, Predictor
from ui import shared, visits
from ui.parts.text import as_markdown
from ui.parts.waiting import wait_for


def choose(live: Predictor) -> Predictor | None:
    """Asks for a model to compare `live` with; describes and returns the model that is loaded."""
    challenger = shared.challenger()
    _form(live, challenger)
    loading = challenger.loading  # read once: another visitor may unload it
    if loading is None:
        return None
    try:
        other = wait_for(loading, "The model is loading. It may have to be fetched.")
    except ModelError as error:
        st.error(as_markdown(str(error)))
        return None
    _facts(live, other, challenger)
    if other.info.task != live.info.task:
        st.info("The live model has changed, and does another task now. Load another model.")
        return None
    return other


def _form(live: Predictor, challenger: Challenger) -> None:
    with (
        st.form("challenger", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        model_id = st.text_input(
            "Model", key="challenger-id", max_chars=200, placeholder="owner/name, or a folder"
        )
        revision = st.text_input(
            "Revision (optional)", key="challenger-revision", max_chars=200, width=170
        )
        load = st.form_submit_button("Load")
    if load and not model_id.strip():
        st.info(
            "Name a model: the id of one on the Hugging Face Hub, or a folder where this app runs."
        )
    elif load and challenger.is_replaying:
        st.info("A replay runs. Stop it, or wait for it.")
    elif load and not challenger.load(
        live, model_id.strip(), revision.strip(), by=visits.current().reviewer
    ):
        st.info("Another model is being loaded, by another visitor or by you. Load yours after it.")


def _facts(live: Predictor, other: Predictor, challenger: Challenger) -> None:
    info = other.info
    same = "; it is the live model" if info.revision == live.info.revision else ""
    st.markdown(
        f"**{as_markdown(info.id)}**, revision {as_markdown(info.revision)}, "
        f"{info.memory_bytes / 1e6:,.0f} MB as {info.dtype}{same}."
    )
    with st.container(horizontal=True, vertical_alignment="center", key="loaded"):
        st.caption(
            f"Loaded by {as_markdown(challenger.chosen_by)}. Whoever loads another replaces it.",
            width="content",
        )
        st.button(
            "Unload", type="tertiary", on_click=challenger.unload, disabled=challenger.is_replaying
        )
