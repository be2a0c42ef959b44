"""What the whole process shares: settings, the one model, the feedback log.

Cached in an imported module, so that pages, routes and the server's lifespan get the same
objects. Each is called without arguments everywhere: Streamlit makes arguments part of the key.
"""

import gc
import logging
import threading
from concurrent.futures import Future

import streamlit as st

from feedback import FeedbackLog
from model import Model, ModelError
from settings import Settings, load_settings

logger = logging.getLogger("tryout")


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """The settings; raises SettingsError."""
    return load_settings()


@st.cache_resource(show_spinner=False)
def log() -> FeedbackLog:
    """The feedback log; raises FeedbackError, and tries again when it is called again."""
    return FeedbackLog(settings().log_url)


@st.cache_resource(show_spinner=False)
def loading() -> Future[Model]:
    """The model, as a future that one thread fills: started once, and a failure is remembered."""
    chosen = settings().model
    model = Model(chosen.id, revision=chosen.revision, device=chosen.device, dtype=chosen.dtype)
    future: Future[Model] = Future()
    future.set_running_or_notify_cancel()  # a visitor who leaves does not cancel it for the rest
    threading.Thread(target=_load, args=(model, future), name="load-model", daemon=True).start()
    return future


def _load(model: Model, future: Future[Model]) -> None:
    try:
        model.load()
        model.predict(["The first forward pass is the slowest."])
    except Exception as error:  # whatever it is, who waits must be told
        logger.error("%s", error, exc_info=error.__cause__ or error)
        future.set_exception(
            error if isinstance(error, ModelError) else ModelError(f"The model failed: {error!r}.")
        )
        return
    # torch and transformers leave half a million objects that never die. Frozen, they are not
    # walked again: Streamlit runs the collector after each script run unless told not to.
    gc.collect()
    gc.freeze()
    logger.info("%s is ready, revision %s", model.info.id, model.info.revision)
    future.set_result(model)
