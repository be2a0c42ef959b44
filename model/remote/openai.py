"""OpenAI's API from the client's side, as vLLM, llama.cpp's server and Ollama speak it too.

https://platform.openai.com/docs/api-reference/chat and .../completions have requests and answers.
Texts that a model thinks to itself are not part of its answer here. Knows neither futures nor
queues.
"""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from model.batching import Place
from model.errors import InputError, ModelBusy, ModelError, ModelUnreachable
from model.generation import Grown, whole
from model.info import ModelInfo
from model.prediction import Prediction
from model.remote.api import Facts
from model.remote.by_task import (
    each,
    generated,
    info_of,
    name_by_url,
    prediction_of,
    revision_of,
    task_of,
)
from model.remote.connection import Connection, sentence_in
from model.remote.streams import Streams, parts
from model.tasks import TextGeneration
from model.tasks.text_generation import conversation, user

MAX_TEXTS = 8  # that the sender hands over together; each is a request of its own
CHAT, TEXT = "/chat/completions", "/completions"
TRIED = {"max_new_tokens": 1, "temperature": 0.0, "seed": 0}
REMEDY = "Check model.url and model.api."


@dataclass
class Answer:
    """A completion so far, by the parts that came."""

    text: str = ""
    parts: int = 0
    tokens: int | None = None
    finish: str | None = None
    fingerprint: str = ""

    def add(self, value: Mapping[str, Any]) -> bool:
        """Adds a part, or a whole completion; True if the text grew."""
        usage = value.get("usage")
        if isinstance(usage, dict) and isinstance(usage.get("completion_tokens"), int):
            self.tokens = usage["completion_tokens"]
        self.fingerprint = value.get("system_fingerprint") or self.fingerprint
        before = len(self.text)
        for choice in value["choices"][:1]:  # of the part with the usage there is none
            message = choice.get("delta") or choice.get("message") or {}
            self.text += choice.get("text") or message.get("content") or ""
            self.finish = choice.get("finish_reason") or self.finish
        grew = len(self.text) > before
        self.parts += grew
        return grew

    @property
    def counted(self) -> int:
        """The number of tokens, that of the parts if the server does not tell."""
        return self.parts if self.tokens is None else self.tokens


class OpenAIApi:
    """The calls of `Api` to a server of OpenAI's API; `fits` is always True, as none tells."""

    def __init__(self, connection: Connection, *, name: str) -> None:
        """`name` is that of the server's model, or the last part of it; "" is the first model."""
        self._connection = connection
        base = connection.url
        self._base = base if base.endswith("/v1") else f"{base}/v1"
        self._name = name
        self._model = name
        self._streams = Streams(connection)
        self._info: ModelInfo | None = None
        self._has_chat: bool | None = None
        self._revision = ""

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._connection.url

    async def facts(self) -> Facts:
        """The model's facts; at first a single token is generated, which shows what the model can.

        That is a chat, unless the server refuses it and continues a text.
        """
        listed = await self._listed()
        chosen = next((item for item in listed if self._is_named(item["id"])), {})
        self._model = chosen.get("id") or self._name
        length = chosen.get("max_model_len")  # only vLLM's
        max_tokens = length if isinstance(length, int) else None
        model_id = self._model or name_by_url(self.url)
        if self._has_chat is None or self._info is None:
            task = task_of(TextGeneration.name, chat=True, max_tokens=max_tokens)
            self._info = info_of(task, model_id=model_id, revision="")
            await self._try()
        task = task_of(TextGeneration.name, chat=bool(self._has_chat), max_tokens=max_tokens)
        self._info = info_of(
            task, model_id=model_id, revision=self._revision, max_tokens=max_tokens
        )
        return Facts(self._info, True, MAX_TEXTS)

    async def _listed(self) -> list[Mapping[str, Any]]:
        """The server's models; none where there is no list."""
        try:
            value = await self._connection.json("GET", f"{self._base}/models")
        except (ModelUnreachable, ModelBusy):
            raise
        except ModelError:
            return []
        items = value.get("data") if isinstance(value, dict) else None
        return [item for item in items or [] if isinstance(item, dict) and item.get("id")]

    def _is_named(self, model_id: str) -> bool:
        return self._name in ("", model_id, model_id.split("/")[-1])

    async def _try(self) -> None:
        """Asks for the answer to a message, or for more of a text where messages are refused."""
        text = "Hello"
        try:
            await self._whole(text, TRIED | {"chat": True, "messages": False}, float("inf"))
            self._has_chat = True
        except (ModelUnreachable, ModelBusy):
            raise
        except ModelError as refusal:
            try:
                await self._whole(text, TRIED, float("inf"))
            except InputError as error:
                raise refusal from error
            self._has_chat = False

    async def predict(
        self, texts: Sequence[str], params: Mapping[str, Any], timeout_s: float
    ) -> list[Prediction | ModelError]:
        """A prediction or an error for each text, in their order."""

        async def ask(text: str) -> Prediction:
            return await self._whole(text, params, timeout_s)

        return await each(texts, ask)

    async def _whole(self, text: str, params: Mapping[str, Any], timeout_s: float) -> Prediction:
        events = self.stream(text, params, timeout_s)
        return await whole(events, missing=f"{self.url} ended its answer without a text.")

    async def stream(
        self, text: str, params: Mapping[str, Any], timeout_s: float
    ) -> AsyncGenerator[Place | Grown | Prediction]:
        """The text as it grows, and its prediction."""
        started_s, answer, is_whole = time.perf_counter(), Answer(), False
        path = self._base + (CHAT if params.get("chat") else TEXT)
        body = self._body(text, params)
        with_usage = body | {"stream_options": {"include_usage": True}}
        async with self._streams.open(path, body, with_usage, timeout_s) as response:
            with self._connection.reading(REMEDY):
                async with aclosing(parts(response)) as values:
                    async for value in values:
                        if isinstance(value, dict) and "error" in value:
                            raise ModelError(f"{self.url} broke off: {sentence_in(value)}")
                        if answer.add(value):
                            yield Grown(answer.text, answer.counted)
                is_whole = answer.finish is not None
        if not is_whole:
            raise ModelError(f"{self.url} ended its answer before the text was whole.")
        info = self._known()
        self._revision = revision_of(self.url, info.id, answer.fingerprint)
        yield prediction_of(
            info,
            text,
            params,
            generated(answer.text, params, tokens=answer.counted, reason=answer.finish),
            started_s=started_s,
            revision=self._revision,
        )

    async def fits(self, text: str, params: Mapping[str, Any]) -> bool:
        """True: a server refuses a text that is too long, and cannot be asked before."""
        return True

    def _body(self, text: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that all servers have; a seed of 0 draws a new one each time."""
        body: dict[str, Any] = {
            "max_tokens": params["max_new_tokens"],
            "temperature": params["temperature"],
            "stream": True,
        }
        if self._model:
            body["model"] = self._model
        if params["seed"]:
            body["seed"] = params["seed"]
        if params.get("messages") and not params.get("chat"):
            raise InputError("messages is true and chat is false; a conversation needs both.")
        if not params.get("chat"):
            return body | {"prompt": text}
        is_conversation = params.get("messages")
        return body | {"messages": conversation(text) if is_conversation else [user(text)]}

    def _known(self) -> ModelInfo:
        if self._info is None:
            raise ModelError(f"The facts of {self.url} are not known yet.")
        return self._info
