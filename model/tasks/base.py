"""The base class of tasks. Knows no runtime: logits are numpy arrays, not tensors."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from model.errors import ModelError, ModelLoadError
from model.info import Example, Param
from model.numbers import Floats
from model.prediction import Output, TaskName
from model.tokenizer import Tokenizer, TokenRow

Config = Mapping[str, Any]


class Task:
    """A task of transformers: from texts to the rows of a forward pass, from logits to an output.

    Subclasses set the class variables and `intro`; their `__init__` sets `labels`, `params` and
    `examples`, the first of which is predicted to warm up the model.
    """

    name: ClassVar[TaskName]
    architectures: ClassVar[tuple[str, ...]]  # the ends of the names of fitting architectures
    auto_model: ClassVar[str]  # the class of transformers that loads them
    intro: str  # the sentence above the text area
    placeholder: str = "Type or paste a text"

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        """Reads a transformers config; raises ModelLoadError if the model cannot do the task."""
        self.tokenizer = tokenizer
        self.labels: tuple[str, ...] = ()
        self.params: tuple[Param, ...] = ()
        self.examples: tuple[Example, ...] = ()

    def rows(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[list[TokenRow]]:
        """The rows of the forward pass for each text, in the order of `texts`.

        Raises InputError for a text that cannot be predicted.
        """
        return [[row] for row in self.tokenizer.rows(texts)]

    def output(
        self,
        text: str,
        rows: Sequence[TokenRow],
        logits: Sequence[Floats],
        params: Mapping[str, Any],
    ) -> Output:
        """The output for a text, from the logits of each of its rows.

        `logits` have the shape (labels,), or (tokens, labels) if the model gives some for each
        token. Raises ModelError for logits that are not finite, or not as many as labels.
        """
        raise NotImplementedError


def labels_of(config: Config) -> tuple[str, ...]:
    """The labels in the order of their ids; LABEL_0 and so on if the config names none.

    Raises ModelLoadError if the config does not name a label for each id.
    """
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
    """True if a label of language inference stands for entailment."""
    return label.lower().startswith("entail")


def check_width(logits: Floats, labels: Sequence[str]) -> None:
    """Raises ModelError if there are not as many logits as labels."""
    if logits.shape[-1] != len(labels):
        raise ModelError(
            f"The model gives {logits.shape[-1]} scores and its config names {len(labels)} labels. "
            "Correct id2label in its config.json."
        )
