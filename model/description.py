"""The facts of a loaded model, for a page and for the log."""

import platform
from importlib.metadata import version

from model.card import Card
from model.info import Example, ModelInfo, last_part
from model.loading import Loaded
from model.params import with_defaults
from model.tasks import FillMask, Task
from model.tokenizer import UNLIMITED


def describe(model_id: str, loaded: Loaded) -> ModelInfo:
    """The facts of the model `model_id`, with the owner's values as defaults of its parameters."""
    task, runtime, card = loaded.task, loaded.runtime, loaded.card
    max_tokens = loaded.tokenizer.max_tokens
    return ModelInfo(
        id=model_id,
        revision=loaded.revision,
        title=card.title or last_part(model_id),
        task=task.name,
        intro=task.intro,
        placeholder=task.placeholder,
        labels=task.labels,
        mask_token=loaded.tokenizer.mask_token if task.name == FillMask.name else None,
        params=with_defaults(task.params, loaded.params),
        examples=_examples(card, task) or task.examples,
        parameters=runtime.parameters,
        memory_bytes=runtime.memory_bytes,
        max_tokens=max_tokens if max_tokens < UNLIMITED else None,
        truncation_side="right" if loaded.tokenizer.traits.truncates_right else "left",
        runtime=runtime.name,
        device=runtime.device,
        dtype=runtime.dtype,
        dtype_reason=loaded.dtype_reason,
        versions={"Python": platform.python_version()}
        | {package: version(package) for package in loaded.packages},
        card=card.text,
    )


def _examples(card: Card, task: Task) -> tuple[Example, ...]:
    """The examples of the card, with those of their parameters that the task has."""
    names = {param.name for param in task.params}
    return tuple(
        Example(
            example.text,
            {name: value for name, value in example.params.items() if name in names},
        )
        for example in card.examples
    )
