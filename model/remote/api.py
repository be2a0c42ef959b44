"""The Protocol of an API by which a model behind a URL is asked: all that a remote model needs.

Knows no format: tryout.py, huggingface.py and openai.py have one each.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from model.batching import Place
from model.errors import ModelError
from model.generation import Grown
from model.info import ModelInfo
from model.prediction import Prediction

RUNTIME = "remote"


class Facts(NamedTuple):
    """The facts of the model, and the most texts that a request may have."""

    info: ModelInfo
    generates: bool
    max_texts: int


class Api(Protocol):
    """Calls of a service; each raises ModelError with a sentence."""

    @property
    def url(self) -> str:
        """The address of the service."""

    async def facts(self) -> Facts:
        """The model that the service has now."""

    async def predict(
        self, texts: Sequence[str], params: Mapping[str, Any], timeout_s: float
    ) -> list[Prediction | ModelError]:
        """A prediction or an error for each text, in their order."""

    def stream(
        self, text: str, params: Mapping[str, Any], timeout_s: float
    ) -> AsyncGenerator[Place | Grown | Prediction]:
        """The places of a text in the queue, its output as it grows, and its prediction.

        Of the first two there are only those that the service tells.
        """

    async def fits(self, text: str, params: Mapping[str, Any]) -> bool:
        """True if the text is within the model's limit, also if the service cannot tell."""
