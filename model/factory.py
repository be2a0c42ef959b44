"""The predictor that settings name: a model in this process, or one behind a URL."""

from typing import Any

from model.model import Model
from model.predictor import Predictor
from model.remote import RemoteModel


def make_predictor(*, url: str | None = None, **arguments: Any) -> Predictor:
    """A predictor that is not loaded yet: `RemoteModel` with a `url`, else `Model`."""
    return RemoteModel(url, **arguments) if url else Model(**arguments)
