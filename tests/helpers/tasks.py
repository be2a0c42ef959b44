"""A tiny model of each task behind the routes of a service, with a text and parameters for it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from feedback import FeedbackLog
from model import Model
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log
from tests.helpers.service import listening, service_of


@dataclass(frozen=True)
class Task:
    make: Callable[[Path], Path]
    text: str
    params: Mapping[str, Any] = field(default_factory=dict)


TASKS = {
    "multi-label": Task(tiny.multi_label_classifier, "The battery lasts two days."),
    "zero-shot-classification": Task(
        tiny.nli,
        "They charged me twice.",
        {"candidate_labels": ["billing", "praise"], "multi_label": True},
    ),
    "token-classification": Task(tiny.bert_tagger, "Ada Lovelace was born in London."),
    "fill-mask": Task(tiny.bert_masked, "The capital of [MASK] is Paris.", {"top_k": 3}),
    "text-generation": Task(tiny.gpt2, "Once upon a time", {"max_new_tokens": 12}),
}


def close(value: Any) -> Any:
    """A value that JSON can hold, whose numbers equal others within 1e-4."""
    if isinstance(value, dict):
        return {key: close(item) for key, item in value.items()}
    if isinstance(value, list):
        return [close(item) for item in value]
    return pytest.approx(value, abs=1e-4) if isinstance(value, float) else value


@contextmanager
def served(task: Task, folder: Path) -> Iterator[tuple[Model, str]]:
    """The task's model, and the URL where it is served as `model`."""
    model = Model(str(task.make(folder / "model")), device="cpu")
    model.load()
    log = FeedbackLog(sqlite_log(folder / "log.db"))
    try:
        with listening(service_of(model, log)) as url:
            yield model, url
    finally:
        model.close()
        log.close()
