"""The singletons of the process: settings, the model, the feedback log, batches, the challenger.

Cached in an imported module, so that pages, routes and the server's lifespan get the same
objects. Call each without arguments: Streamlit makes arguments part of the key.
"""

from concurrent.futures import Future, ThreadPoolExecutor

import streamlit as st

from errors import TryoutError
from feedback import FeedbackLog
from jobs.batch.runs import BatchRuns
from jobs.challenger import Challenger
from jobs.loader import ModelLoader, loaded_by
from model import Prediction, Predictor, make_predictor
from settings import Settings, load_settings
from ui.review.assignments import Assignments

EXPLAINED_AT_ONCE = 2


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """The settings; raises SettingsError."""
    return load_settings()


def has_keys() -> bool:
    """True if programs need a key; also if the settings are broken, which closes the routes."""
    try:
        return bool(settings().api_keys)
    except TryoutError:
        return True


@st.cache_resource(show_spinner=False)
def log() -> FeedbackLog:
    """The feedback log; raises FeedbackError, and tries again when it is called again."""
    return FeedbackLog(settings().log_url)


@st.cache_resource(show_spinner=False)
def batches() -> BatchRuns:
    """The runs of batches."""
    return BatchRuns(log, loading)


@st.cache_resource(show_spinner=False)
def assignments() -> Assignments:
    """The predictions that reviewers hold."""
    return Assignments()


@st.cache_resource(show_spinner=False)
def loader() -> ModelLoader:
    """The loader of the live model."""
    return ModelLoader(_model)


def loading() -> Future[Predictor]:
    """The model, as a future; see `class ModelLoader`."""
    return loader().current()


def loaded() -> Predictor | None:
    """The model, if it is loaded."""
    return loaded_by(loading())


def is_live(prediction: Prediction) -> bool:
    """True if the loaded model made the prediction."""
    model = loaded()
    return model is not None and model.info.revision == prediction.model_revision


@st.cache_resource(show_spinner=False)
def explaining() -> ThreadPoolExecutor:
    """The threads that compute explanations; an explanation takes as long as many predictions."""
    return ThreadPoolExecutor(EXPLAINED_AT_ONCE, thread_name_prefix="explain")


@st.cache_resource(show_spinner=False)
def challenger() -> Challenger:
    """The second model, beside the live one."""
    return Challenger()


def _model() -> Predictor:
    """The model that app.toml names now: an owner who corrects it there need not restart.

    Raises SettingsError; then pages go on with the settings that they have.
    """
    newest = load_settings()
    settings.clear()
    return make_predictor(**newest.model.arguments(params=newest.parameters))
