"""A task as the model and the pages see it. Knows no runtime: it sees arrays, not tensors."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from model.errors import ModelError, ModelLoadError
from model.info import Example, Param
from model.numbers import Floats
from model.prediction import Output, TaskName
from model.tokenizer import Tokenizer, TokenRow

Config = Mapping[str, Any]


class Task:
    """What the five tasks have in common; a subclass fills in the rest."""

    name: ClassVar[TaskName]
    architectures: ClassVar[tuple[str, ...]]  # how the names of fitting ones end
    auto_model: ClassVar[str]  # the class of transformers that loads them
    intro: str
    placeholder: str = "Type or paste a text"

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        """Reads a transformers config; raises ModelLoadError if the model cannot do the task."""
        self.tokenizer = tokenizer
        self.labels: tuple[str, ...] = ()
        self.params: tuple[Param, ...] = ()
        self.examples: tuple[Example, ...] = ()

    def rows(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[list[TokenRow]]:
        """The rows of the forward pass that each text needs; raises InputError if it cannot be."""
        return [[row] for row in self.tokenizer.rows(texts)]

    def output(
        self,
        text: str,
        rows: Sequence[TokenRow],
        logits: Sequence[Floats],
        params: Mapping[str, Any],
    ) -> Output:
        """The output for a text, from the logits of each of its rows.

        Raises ModelError if a logit is not a finite number: such a score means nothing.
        """
        raise NotImplementedError


def labels_of(config: Config) -> tuple[str, ...]:
    """The labels by their ids; LABEL_0 and so on where the config names none."""
    named = config.get("id2label") or {}
    if not named:
        return tuple(f"LABEL_{i}" for i in range(int(config.get("num_labels") or 2)))
    by_id = {str(i): label for i, label in named.items()} if isinstance(named, Mapping) else {}
    expected = [str(i) for i in range(len(named))]
    if by_id.keys() != set(expected):
        raise ModelLoadError(
            f"Its id2label must name the ids 0 to {len(named) - 1}, each with its label. "
            "Correct it in its config.json."
        )
    return tuple(str(by_id[i]) for i in expected)


def entails(label: str) -> bool:
    return label.lower().startswith("entail")


def check_width(logits: Floats, labels: Sequence[str]) -> None:
    if logits.shape[-1] != len(labels):
        raise ModelError(
            f"The model gives {logits.shape[-1]} scores and its config names {len(labels)} labels. "
            "Correct id2label in its config.json."
        )
