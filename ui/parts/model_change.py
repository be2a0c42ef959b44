"""A sentence where the model is another one than before, or than that of the prediction shown."""

import streamlit as st

from feedback.records import ModelRevision
from model import ModelInfo, Prediction, Predictor
from ui import state
from ui.parts.text import as_markdown


def note(model: Predictor, shown: Prediction | None = None) -> None:
    """Says that the prediction `shown` is by another model, or that it changed in this visit."""
    session, info = state.session(), model.info
    now = ModelRevision(info.id, info.revision)
    if session.model not in (None, now):
        session.former_model = session.model
    session.model = now
    if shown and ModelRevision(shown.model_id, shown.model_revision) != now:
        by = _named(info, shown.model_id, shown.model_revision)
        st.caption(f"This prediction is by {by}. The model is now {_named(info)}.")
    elif former := session.former_model:
        was = _named(info, former.model_id, former.model_revision)
        st.caption(f"The model has changed during your visit: it was {was}, it is {_named(info)}.")


def _named(now: ModelInfo, model_id: str = "", revision: str = "") -> str:
    """The revision, and the model's id unless it is that of `now`."""
    of = "" if model_id in ("", now.id) else f" of {as_markdown(model_id)}"
    return f"revision {as_markdown(revision or now.revision)}{of}"
