"""The service's own format (serving/formats/native.py), from the client's side.

Knows neither futures nor queues. A prediction has its input as it was given.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2

from model.batching import Place
from model.errors import ModelError
from model.generation import Grown
from model.info import Example, ModelInfo, Param
from model.params import frozen
from model.prediction import Prediction, output_from_json
from model.remote.api import RUNTIME, Facts
from model.remote.connection import Connection, error_of

HEADERS = {"X-Tryout-Log": "no"}  # whoever asks stores the prediction; twice would be wrong
REMEDY = "Check that it runs the same version as this app, and model.api."


class TryoutApi:
    """The calls of `Api` as this app's own service answers them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._connection.url

    async def facts(self) -> Facts:
        """The model that the service has now."""
        value = await self._connection.json("GET", "/api/model")
        with self._connection.reading(REMEDY):
            return _facts(value)

    async def predict(
        self, texts: Sequence[str], params: Mapping[str, Any], timeout_s: float
    ) -> list[Prediction | ModelError]:
        """A prediction or an error for each text, in their order."""
        body = _body(texts, params, timeout_s)
        value = await self._connection.json("POST", "/api/predictions", body)
        with self._connection.reading(REMEDY):
            pairs = zip(texts, value["predictions"], strict=True)
            return [self._result(text, result) for text, result in pairs]

    async def stream(
        self, text: str, params: Mapping[str, Any], timeout_s: float
    ) -> AsyncGenerator[Place | Grown | Prediction]:
        """The places of a text in the queue, its output as it grows, and its prediction."""
        body = _body([text], params, timeout_s) | {"stream": True}
        so_far = ""
        prediction: Prediction | None = None
        async with self._connection.stream("POST", "/api/predictions", body) as response:
            with self._connection.reading(REMEDY):
                async for event in httpx2.EventSource(response):
                    data: Any = event.json()
                    match event.event:
                        case "place":
                            yield Place(data["ahead"], data["wait_s"])
                        case "text":
                            so_far = so_far[: data["at"]] + data["text"]
                            yield Grown(so_far, data["tokens"])
                        case "prediction":
                            prediction = self._prediction(text, data)
                        case "error":
                            raise error_of(data["status"], data["error"], self.url)
        if prediction:  # only now: a connection whose answer was not read to its end is not kept
            yield prediction

    async def fits(self, text: str, params: Mapping[str, Any]) -> bool:
        """True if the text is within the model's limit of tokens."""
        value = await self._connection.json("POST", "/api/fits", _body([text], params))
        with self._connection.reading(REMEDY):
            return bool(value["fits"][0])

    def _result(self, text: str, value: Mapping[str, Any]) -> Prediction | ModelError:
        if "error" in value:
            return error_of(value["status"], value["error"], self.url)
        return self._prediction(text, value)

    @staticmethod
    def _prediction(text: str, value: Mapping[str, Any]) -> Prediction:
        plain = {field.name: value[field.name] for field in fields(Prediction)}
        return Prediction(
            **plain
            | {
                "id": UUID(value["id"]),
                "created_at": datetime.fromisoformat(value["created_at"]),
                "runtime": RUNTIME,
                "input": text,
                "output": output_from_json(value["output"]),
            }
        )


def _body(
    texts: Sequence[str], params: Mapping[str, Any], timeout_s: float = float("inf")
) -> dict[str, Any]:
    deadline = {"timeout_s": timeout_s} if timeout_s < float("inf") else {}
    return {"texts": list(texts), "params": dict(params)} | deadline


def _facts(value: Mapping[str, Any]) -> Facts:
    plain = {field.name: value[field.name] for field in fields(ModelInfo)}
    info = ModelInfo(
        **plain
        | {
            "labels": tuple(value["labels"]),
            "params": tuple(_param(each) for each in value["params"]),
            "examples": tuple(Example(**each) for each in value["examples"]),
            "runtime": RUNTIME,
            "memory_bytes": 0,  # in this process
        }
    )
    return Facts(info, bool(value["generates"]), int(value["limits"]["max_texts"]))


def _param(value: Mapping[str, Any]) -> Param:
    changed = {"default": frozen(value["default"]), "choices": tuple(value["choices"])}
    return Param(**{**value, **changed})
