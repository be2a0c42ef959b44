"""The live model, beside which stored predictions are stale or not; the page does not wait for it.

A stored prediction can be read while the model is being loaded, or is away.
"""

import streamlit as st

from errors import TryoutError
from feedback.records import ModelRevision
from model import Prediction
from ui import shared

EVERY_S = 1.0


def revision() -> ModelRevision | None:
    """The live model's id and revision; None while there is none."""
    try:
        model = shared.loaded()
    except TryoutError:
        return None
    return ModelRevision(model.info.id, model.info.revision) if model else None


def made_by(prediction: Prediction) -> ModelRevision:
    """The model that made a prediction."""
    return ModelRevision(prediction.model_id, prediction.model_revision)


def note_if_missing() -> None:
    """Says that the live model is missing; draws the page again once it is there."""
    if revision() is None:
        _until_loaded()


@st.fragment(run_every=EVERY_S)
def _until_loaded() -> None:
    if revision():
        st.rerun()
    st.caption("Until the model is there, this page cannot say which predictions are stale.")
