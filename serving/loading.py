"""Loads a model for a process that goes on without it if that fails."""

import logging
from collections.abc import Callable

from model import Model, ModelError

logger = logging.getLogger("tryout")


def loaded(make: Callable[[], Model]) -> Model | ModelError:
    """The model that `make` returns, loaded and warm, or why there is none.

    The error holds nothing of the attempt, whose memory may be what the next one needs.
    """
    model = None
    try:
        model = make()
        model.load()
        model.warm_up()
    except Exception as error:  # whatever it is, who waits must be told
        told = isinstance(error, ModelError) and error.__cause__ is None
        logger.error("%s", error, exc_info=None if told else error.__cause__ or error)
        if model:
            model.close()
        if isinstance(error, ModelError):
            return ModelError(str(error))
        return ModelError(f"The model failed: {error!r}.")
    return model
