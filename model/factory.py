"""The predictor that settings name: a model in this process, or one behind a URL."""

from typing import Any

from model.model import Model
from model.predictor import Predictor


def make_predictor(*, url: str | None = None, **arguments: Any) -> Predictor:
    """A predictor that is not loaded yet: `RemoteModel` with a `url`, else `Model`."""
    if url:
        from model.remote import RemoteModel  # its HTTP client takes as long as all else here

        return RemoteModel(url, **arguments)
    return Model(**arguments)
