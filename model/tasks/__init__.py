"""The tasks: a module each, and which of them a model is made for.

A task says what the form asks for, its parameters, the rows of a text's forward pass, and the
output made from their logits. docs/tasks.md says how to add one.
"""

from collections.abc import Mapping

from model.errors import ModelLoadError
from model.tasks.base import Config, Task, entails
from model.tasks.fill_mask import FillMask
from model.tasks.text_classification import TextClassification
from model.tasks.text_generation import TextGeneration
from model.tasks.token_classification import TokenClassification
from model.tasks.zero_shot_classification import ZeroShotClassification

__all__ = [
    "SUPPORTED",
    "TASKS",
    "FillMask",
    "Task",
    "TextClassification",
    "TextGeneration",
    "TokenClassification",
    "ZeroShotClassification",
    "task_for",
]

TASKS: Mapping[str, type[Task]] = {
    task.name: task
    for task in (
        TextClassification,
        ZeroShotClassification,
        TokenClassification,
        FillMask,
        TextGeneration,
    )
}
SUPPORTED = ", ".join(TASKS)


def task_for(asked: str, config: Config, pipeline_tag: str) -> type[Task]:
    """The class of the task that was asked for, or with "auto" of the one the model is made for.

    Goes by the architecture; where that fits two tasks, or is not stated, by the card's
    `pipeline_tag` and the labels. Raises ModelLoadError if nothing fits, naming what would.
    """
    architecture = (config.get("architectures") or [""])[0]
    if asked != "auto":
        task = TASKS[asked]
        if architecture and not architecture.endswith(task.architectures):
            raise ModelLoadError(
                f"Its architecture is {architecture}; {asked} needs one that ends in "
                f'{" or ".join(task.architectures)}. Set task = "auto", or name another model.'
            )
        return task
    fitting = [t for t in TASKS.values() if architecture and architecture.endswith(t.architectures)]
    if ZeroShotClassification in fitting:
        labels = (config.get("id2label") or {}).values()
        infers = any(entails(str(label)) for label in labels)
        return ZeroShotClassification if infers else TextClassification
    if fitting:
        return fitting[0]
    if not architecture and pipeline_tag in TASKS:
        return TASKS[pipeline_tag]
    kind = f"architecture is {architecture}" if architecture else "config names no architecture"
    raise ModelLoadError(
        f"Its {kind}; supported are models for {SUPPORTED}. Name one of those, or set task if the "
        "model does one of them."
    )
