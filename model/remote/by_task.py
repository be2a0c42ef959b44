"""The parts of an API that tells nothing of its model: facts by the task, predictions made here.

Knows no format and no URL. A revision that a server does not tell is "unknown-" and a hash of its
URL and its model's id, so that predictions of two such models are not taken for those of the same.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from model.errors import ModelError
from model.info import ModelInfo, last_part
from model.prediction import GeneratedText, Output, Prediction, new_id, now
from model.remote.api import RUNTIME
from model.tasks import SUPPORTED, TASKS, FillMask, Task
from model.tokenizer import UNLIMITED, Tokenizer, Traits

AT_ONCE = 8  # requests for the texts of a call that travel alone
ROUNDING = 1e-3  # by which a probability can lie outside of 0 to 1
NOT_TOLD = "unknown"
# Enough for each task to have its parameters; the labels of the model are its server's business.
CONFIG = {"id2label": {"0": "entailment", "1": "contradiction"}}


def task_of(
    name: str, *, mask_token: str | None = None, chat: bool = False, max_tokens: int | None = None
) -> Task:
    """The task with its parameters and examples; raises ModelError for a name that is none."""
    if name not in TASKS:
        raise ModelError(f"model.task is {name!r}; it must be one of {SUPPORTED}.")
    traits = Traits(
        max_tokens=max_tokens or UNLIMITED,
        takes=(),
        pads_right=True,
        truncates_right=True,
        marks_subwords=False,
        mask_token=mask_token,
        mask_id=None if mask_token is None else 0,
        unknown_id=None,
    )
    tokenizer = Tokenizer(None, traits)  # which no text goes through
    tokenizer.has_chat_template = chat
    return TASKS[name](CONFIG, tokenizer)


def info_of(
    task: Task,
    *,
    model_id: str,
    revision: str,
    labels: Sequence[str] = (),
    max_tokens: int | None = None,
    dtype: str = NOT_TOLD,
    versions: Mapping[str, str] | None = None,
) -> ModelInfo:
    """The facts of a model by its task; `labels` is empty unless all are known."""
    return ModelInfo(
        id=model_id,
        revision=revision,
        title=last_part(model_id),
        task=task.name,
        intro=task.intro,
        placeholder=task.placeholder,
        labels=tuple(labels),
        mask_token=task.tokenizer.mask_token if task.name == FillMask.name else None,
        params=task.params,
        examples=task.examples,
        parameters=0,
        memory_bytes=0,
        max_tokens=max_tokens,
        truncation_side="right",
        runtime=RUNTIME,
        device=NOT_TOLD,
        dtype=dtype,
        dtype_reason="",
        versions=versions or {},
        card="",
    )


def revision_of(url: str, model_id: str, fingerprint: str = "") -> str:
    """A revision for a model whose server names none, or only the `fingerprint` of its build."""
    digest = hashlib.sha256(f"{url}\n{model_id}".encode()).hexdigest()[:8]
    return f"{fingerprint or NOT_TOLD}-{digest}"


def name_by_url(url: str) -> str:
    """The id of a model that neither its server nor its owner names."""
    return url.split("://", 1)[-1]


def prediction_of(
    info: ModelInfo,
    text: str,
    params: Mapping[str, Any],
    output: Output,
    *,
    started_s: float,
    truncated: bool = False,
    revision: str = "",
) -> Prediction:
    """The prediction of a text whose request began at `started_s`, by time.perf_counter."""
    return Prediction(
        id=new_id(),
        created_at=now(),
        task=info.task,
        model_id=info.id,
        model_revision=revision or info.revision,
        runtime=RUNTIME,
        params=dict(params),
        input=text,
        output=output,
        truncated=truncated,
        queue_ms=0.0,
        inference_ms=(time.perf_counter() - started_s) * 1000,
    )


def generated(
    text: str, params: Mapping[str, Any], *, tokens: int, reason: str | None
) -> GeneratedText:
    """A generated text; without a `reason` for its end, by the number of its tokens."""
    is_full = reason == "length" or (reason is None and tokens >= params["max_new_tokens"])
    return GeneratedText(text, tokens, "length" if is_full else "end")


def probability(value: Any) -> float:
    """The score of a label; raises ValueError for a value that is no probability."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"the score {value!r:.40} is not a number")
    if not -ROUNDING <= value <= 1 + ROUNDING:
        raise ValueError(f"the score {value!r:.40} is not a probability")
    return min(max(float(value), 0.0), 1.0)


async def each(
    texts: Sequence[str], ask: Callable[[str], Awaitable[Prediction]]
) -> list[Prediction | ModelError]:
    """The prediction or the error of each text, in requests of their own, some at once."""
    free = asyncio.Semaphore(AT_ONCE)

    async def result(text: str) -> Prediction | ModelError:
        async with free:
            try:
                return await ask(text)
            except ModelError as error:
                return error

    return list(await asyncio.gather(*map(result, texts)))
