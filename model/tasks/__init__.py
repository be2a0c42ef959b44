"""The tasks, a module each, and the choice of the task that a model is made for.

A task has its parameters and examples, turns texts into rows of a forward pass, and logits into an
output. docs/tasks.md describes how to add a task.
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
    """The class of the task `asked`, or for "auto" of the task that the model is made for.

    "auto" goes by the architecture that the config names; for an architecture of two tasks by the
    labels; without an architecture by the card's `pipeline_tag`. Raises ModelLoadError if no task
    fits, with the tasks that are supported.
    """
    architecture = (config.get("architectures") or [""])[0]
    if asked != "auto":
        task = TASKS[asked]
        if architecture and not architecture.endswith(task.architectures):
            raise ModelLoadError(
                f"Its architecture is {architecture}; {asked} needs an architecture that ends in "
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
        f"Its {kind}; supported are models for {SUPPORTED}. Name such a model, or set task if this "
        "model is made for one of them."
    )
