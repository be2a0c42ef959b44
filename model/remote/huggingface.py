"""Hugging Face's task API from the client's side: Inference Endpoints and servers that speak alike.

Requests go to exactly the URL of the settings. https://huggingface.co/docs/inference-providers/tasks
has those of each task. A server whose /info, beside that URL, names a classifier is
text-embeddings-inference, whose requests differ (https://github.com/huggingface/
text-embeddings-inference, docs/openapi.json); text-generation-inference has /info too. Knows
neither futures nor queues.
"""

import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

import httpx2

from model.batching import Place
from model.errors import InputError, ModelBusy, ModelError, ModelUnreachable
from model.generation import Grown, whole
from model.info import ModelInfo
from model.prediction import Output, Prediction
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
from model.remote.huggingface_answers import (
    answer_of_each,
    any_number_applies,
    generated_text,
    output_of,
)
from model.remote.streams import Streams, parts
from model.tasks import FillMask, TextClassification, TextGeneration

logger = logging.getLogger(f"tryout.{__name__}")

ALL_LABELS = 10_000  # as top_k
MASKS = ("[MASK]", "<mask>")  # of BERT and of RoBERTa; no server tells which it has
MAX_TEXTS = 32  # of a request; text-embeddings-inference takes as many unless it says otherwise
TRIED_TOKENS = 1  # of the text that is generated to see that the server generates


class HuggingFaceApi:
    """The calls of `Api` to a server of Hugging Face's task API.

    `fits` is True unless the server is text-embeddings-inference, the only one that tells.
    """

    def __init__(self, connection: Connection, *, task: str, name: str) -> None:
        """`name` is the model's id if the server tells none; without it the URL is."""
        self._connection = connection
        self._task_name = task
        self._model_name = name
        self._streams = Streams(connection)
        self._info: ModelInfo | None = None
        self._max_texts = MAX_TEXTS
        self._is_tei = self._is_multi_label = False
        self._takes_lists = True
        self._remedy = (
            f"Check that model.task, which is {task!r}, and model.api are those of this URL."
        )

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._connection.url

    async def facts(self) -> Facts:
        """The model's facts, of which a request with the examples of its task is a part.

        That request shows that address, key and task are right, and names the labels.
        """
        server_facts = await self._server_facts()
        try:
            if self._task_name == FillMask.name:
                info, tried = await self._with_mask(server_facts)
            else:
                info = self._info = self._described(server_facts, None)
                tried = await self._tried(info)
        except InputError as error:
            raise ModelError(f"{error} {self._remedy}") from error
        self._info = self._with_labels(info, tried)
        return Facts(self._info, info.task == TextGeneration.name, self._max_texts)

    async def _with_mask(
        self, server_facts: Mapping[str, Any]
    ) -> tuple[ModelInfo, Sequence[Prediction]]:
        """The facts with the first of the usual mask tokens that the server takes."""
        for mask in MASKS[:-1]:
            info = self._info = self._described(server_facts, mask)
            with suppress(InputError):
                return info, await self._tried(info)
        info = self._info = self._described(server_facts, MASKS[-1])
        return info, await self._tried(info)

    async def _server_facts(self) -> Mapping[str, Any]:
        """The JSON of /info beside the URL; empty where there is none."""
        try:
            value = await self._connection.json("GET", str(self._beside("info")))
        except (ModelUnreachable, ModelBusy):
            raise
        except ModelError:
            return {}
        if not isinstance(value, dict) or "model_id" not in value:
            return {}
        kind = value.get("model_type")
        if isinstance(kind, dict):
            if "classifier" not in kind or self._task_name != TextClassification.name:
                raise ModelError(
                    f"The server's model is for {' and '.join(kind) or 'nothing'}, and model.task "
                    f"is {self._task_name!r}. Of text-embeddings-inference only classifiers work "
                    f"here, with task = {TextClassification.name!r}."
                )
            self._is_tei = True
        most = value.get("max_client_batch_size")
        self._max_texts = most if isinstance(most, int) and most > 0 else MAX_TEXTS
        return value

    def _beside(self, name: str) -> httpx2.URL:
        return httpx2.URL(self._connection.address).join(name)

    def _described(self, server_facts: Mapping[str, Any], mask: str | None) -> ModelInfo:
        """The facts, with labels only if the server names them."""
        model_id = str(server_facts.get("model_id") or self._model_name or name_by_url(self.url))
        generates = self._task_name == TextGeneration.name
        length = server_facts.get("max_total_tokens" if generates else "max_input_length")
        max_tokens = length if isinstance(length, int) else None
        software = "text-embeddings-inference" if self._is_tei else "text-generation-inference"
        return info_of(
            task_of(self._task_name, mask_token=mask, max_tokens=max_tokens),
            model_id=model_id,
            revision=str(server_facts.get("model_sha") or revision_of(self.url, model_id)),
            labels=self._labels_in(server_facts),
            max_tokens=max_tokens,
            dtype=str(server_facts.get("model_dtype") or "unknown"),
            versions={software: str(server_facts["version"])} if "version" in server_facts else {},
        )

    def _labels_in(self, server_facts: Mapping[str, Any]) -> tuple[str, ...]:
        """The labels of text-embeddings-inference in the order of their ids."""
        if not self._is_tei:
            return ()
        with self._connection.reading(self._remedy):
            by_id = server_facts["model_type"]["classifier"]["id2label"]
            return tuple(str(by_id[key]) for key in sorted(by_id, key=int))

    async def _tried(self, info: ModelInfo) -> list[Prediction]:
        """The predictions of examples; raises the first error."""
        count = len(info.examples) if info.task == TextClassification.name else 1
        params = {param.name: param.default for param in info.params}
        if info.task == TextGeneration.name:
            params["max_new_tokens"] = TRIED_TOKENS
        texts = [example.text for example in info.examples[:count]]
        tried: list[Prediction] = []
        for result in await self.predict(texts, params, float("inf")):
            if isinstance(result, ModelError):
                raise result
            tried.append(result)
        return tried

    def _with_labels(self, info: ModelInfo, tried: Sequence[Prediction]) -> ModelInfo:
        """The facts with the labels, if the predictions have the same ones and more than one.

        Else the server names only the best, and the labels of the model stay unknown.
        """
        if info.task != TextClassification.name:
            return info
        scores = [prediction.output.scores for prediction in tried]
        has_all = len({frozenset(each_text) for each_text in scores}) == 1 and len(scores[0]) > 1
        self._is_multi_label = any_number_applies(scores, all_labels=has_all)
        if not has_all:
            logger.warning("%s does not give the scores of all labels", self.url)
        if info.labels or not has_all:
            return info
        return replace(info, labels=tuple(sorted(scores[0])))

    # --- predictions ------------------------------------------------------------------------------

    async def predict(
        self, texts: Sequence[str], params: Mapping[str, Any], timeout_s: float
    ) -> list[Prediction | ModelError]:
        """A prediction or an error for each text, in their order."""

        async def ask(text: str) -> Prediction:
            return await self._ask(text, params, timeout_s)

        is_list = 1 < len(texts) <= self._max_texts and self._task_name != TextGeneration.name
        if is_list and self._takes_lists:
            try:
                together = await self._together(texts, params, timeout_s)
            except InputError:
                together = []  # requests of their own show which text it was
            if together:
                return together
        return await each(texts, ask)

    async def stream(
        self, text: str, params: Mapping[str, Any], timeout_s: float
    ) -> AsyncGenerator[Place | Grown | Prediction]:
        """The text as it grows, and its prediction; for other tasks the prediction alone."""
        if self._task_name == TextGeneration.name:
            async with aclosing(self._growing(text, params, timeout_s)) as events:
                async for event in events:
                    yield event
        else:
            yield await self._ask(text, params, timeout_s)

    async def fits(self, text: str, params: Mapping[str, Any]) -> bool:
        """True if the text is within the limit, or the server cannot tell; it predicts the text."""
        return not (self._is_tei and (await self._ask(text, params, float("inf"))).truncated)

    async def _together(
        self, texts: Sequence[str], params: Mapping[str, Any], timeout_s: float
    ) -> list[Prediction | ModelError]:
        """The predictions of texts in a single request; none if the server takes no lists.

        Raises InputError if one of the texts cannot be predicted.
        """
        for text in texts:
            self._require_gap(text)
        started_s = time.perf_counter()
        value = await self._post(self._body(list(texts), params), timeout_s)
        answers = answer_of_each(value, len(texts))
        if answers is None:
            logger.warning("%s does not answer lists; texts travel alone", self.url)
            self._takes_lists = False
            return []
        with self._connection.reading(self._remedy):
            pairs = zip(texts, answers, strict=True)
            outputs = [(text, self._output(answer, text, params)) for text, answer in pairs]
        info = self._known()
        return [
            prediction_of(info, text, params, output, started_s=started_s)
            for text, output in outputs
        ]

    async def _ask(self, text: str, params: Mapping[str, Any], timeout_s: float) -> Prediction:
        """The prediction of a text in a request of its own.

        A text over the limit of text-embeddings-inference is cut, and the prediction says so.
        """
        if self._task_name == TextGeneration.name:
            return await self._whole(text, params, timeout_s)
        self._require_gap(text)
        started_s, truncated = time.perf_counter(), False
        try:
            value = await self._post(self._body(text, params), timeout_s)
        except InputError:
            if not self._is_tei:
                raise
            truncated = True
            value = await self._post(self._body(text, params, truncate=True), timeout_s)
        with self._connection.reading(self._remedy):
            output = self._output(value, text, params)
        return prediction_of(
            self._known(), text, params, output, started_s=started_s, truncated=truncated
        )

    def _require_gap(self, text: str) -> None:
        """Raises InputError unless the text for fill-mask has a single gap."""
        mask = self._known().mask_token
        if mask is not None and text.count(mask) != 1:
            raise InputError(
                f"The text has {mask} {text.count(mask)} times. Write {mask} exactly once, where "
                "the model should fill in a word."
            )

    async def _post(self, body: Mapping[str, Any], timeout_s: float) -> Any:
        return await self._connection.json(
            "POST", self._connection.address, body, timeout_s=timeout_s
        )

    def _body(
        self, inputs: str | list[str], params: Mapping[str, Any], *, truncate: bool = False
    ) -> dict[str, Any]:
        if self._is_tei:
            wrapped = inputs if isinstance(inputs, str) else [[text] for text in inputs]
            return {"inputs": wrapped, "raw_scores": False, "truncate": truncate}
        given = dict(params)
        if self._task_name == TextClassification.name:
            given["top_k"] = ALL_LABELS
        return {"inputs": inputs, "parameters": given}

    def _output(self, answer: Any, text: str, params: Mapping[str, Any]) -> Output:
        is_one_of_one = len(params.get("candidate_labels", ())) == 1  # decided by itself
        several = self._is_multi_label or bool(params.get("multi_label")) or is_one_of_one
        return output_of(self._task_name, answer, text, multi_label=several)

    def _known(self) -> ModelInfo:
        if self._info is None:
            raise ModelError(f"The facts of {self.url} are not known yet.")
        return self._info

    # --- generated text ---------------------------------------------------------------------------

    async def _whole(self, text: str, params: Mapping[str, Any], timeout_s: float) -> Prediction:
        events = self._growing(text, params, timeout_s)
        return await whole(events, missing=f"{self.url} ended its answer without a text.")

    async def _growing(
        self, text: str, params: Mapping[str, Any], timeout_s: float
    ) -> AsyncGenerator[Grown | Prediction]:
        """The text as it grows, and its prediction."""
        started_s, so_far, tokens = time.perf_counter(), "", 0
        prediction: Prediction | None = None
        given = _generation(params)
        body = {"inputs": text, "parameters": given, "stream": True}
        with_details = body | {"parameters": given | {"details": True}}
        address = self._connection.address
        async with self._streams.open(address, body, with_details, timeout_s) as response:
            with self._connection.reading(self._remedy):
                async with aclosing(parts(response, is_last=_is_whole)) as values:
                    async for value in values:
                        if isinstance(value, dict) and "error" in value:
                            raise ModelError(f"{self.url} broke off: {sentence_in(value)}")
                        if isinstance(value, dict) and "token" in value:
                            is_text = not value["token"].get("special")
                            so_far += value["token"]["text"] if is_text else ""
                            tokens += is_text
                            if not _is_whole(value):
                                yield Grown(so_far, tokens)
                                continue
                        whole, details = generated_text(value)
                        tokens = details.get("generated_tokens", tokens)
                        output = generated(
                            whole, params, tokens=tokens, reason=details.get("finish_reason")
                        )
                        prediction = prediction_of(
                            self._known(), text, params, output, started_s=started_s
                        )
        if not prediction:
            raise ModelError(f"{self.url} ended its answer before the text was whole.")
        yield prediction


def _is_whole(event: Any) -> bool:
    """True for the last event of a stream, which has the whole text."""
    return isinstance(event, dict) and event.get("generated_text") is not None


def _generation(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of text generation as transformers names them.

    A temperature of 0 is refused by some servers: it means to take the likeliest token.
    """
    temperature, seed = params["temperature"], params["seed"]
    given = {"max_new_tokens": params["max_new_tokens"], "return_full_text": False}
    if not temperature:
        return given | {"do_sample": False}
    drawn = {"do_sample": True, "temperature": temperature}
    return given | drawn | ({"seed": seed} if seed else {})
