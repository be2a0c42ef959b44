"""Zero-shot classification: labels for a text that the visitor makes up."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.errors import InputError, ModelLoadError
from model.info import Example, Param
from model.numbers import Floats, by_score, softmax
from model.prediction import ScoredLabels
from model.tasks.base import Config, Task, entails, labels_of
from model.tokenizer import Tokenizer, TokenRow

MAX_CANDIDATES = 100


class ZeroShotClassification(Task):
    """Labels that the visitor makes up, tried by a model for natural language inference.

    Each label becomes a hypothesis about the text; its score is the probability that the text
    entails the hypothesis (Yin et al. 2019, https://arxiv.org/abs/1909.00161).
    """

    name = "zero-shot-classification"
    architectures = ("ForSequenceClassification",)
    auto_model = "AutoModelForSequenceClassification"
    intro = "Paste a text, name some labels, and see which of them the model thinks fits."

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        labels = labels_of(config)
        entailing = [i for i, label in enumerate(labels) if entails(label)]
        if not entailing or len(labels) < 2:
            raise ModelLoadError(
                f"Its labels are {', '.join(labels[:5])}; {self.name} needs a model for natural "
                "language inference, with the labels 'entailment' and 'contradiction'."
            )
        self._entailment = entailing[-1]
        self._contradiction = -1 if self._entailment == 0 else 0
        self.params = (
            Param(
                name="candidate_labels",
                title="Labels to choose from",
                default=("billing", "technical problem", "praise"),
                maximum=MAX_CANDIDATES,
                hint="Each label on its own line.",
                essential=True,
            ),
            Param(
                name="multi_label",
                title="Several labels may fit",
                default=False,
                essential=True,
            ),
            Param(
                name="hypothesis_template",
                title="Hypothesis",
                default="This example is {}.",
                hint="The sentence whose truth is tested; {} stands for the label.",
            ),
        )
        self.examples = (
            Example("I was charged twice this month and would like my money back."),
            Example("The app closes itself whenever I open the settings."),
        )

    def rows(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[list[TokenRow]]:
        template, labels = params["hypothesis_template"], params["candidate_labels"]
        if template.count("{}") != 1:
            raise InputError(
                f"The hypothesis is {template!r}; it must contain {{}} once, where the label goes."
            )
        hypotheses = [template.replace("{}", label) for label in labels]
        rows = self.tokenizer.rows(
            [text for text in texts for _ in labels], pairs=hypotheses * len(texts)
        )
        return [rows[i : i + len(labels)] for i in range(0, len(rows), len(labels))]

    def output(
        self,
        text: str,
        rows: Sequence[TokenRow],
        logits: Sequence[Floats],
        params: Mapping[str, Any],
    ) -> ScoredLabels:
        labels = params["candidate_labels"]
        by_label = np.stack(logits)
        multi_label = bool(params["multi_label"]) or len(labels) == 1
        if multi_label:  # entailed or contradicted, for each label by itself
            pairs = by_label[:, [self._contradiction, self._entailment]]
            scores = np.array([softmax(pair)[1] for pair in pairs])
        else:
            scores = softmax(by_label[:, self._entailment])
        return by_score(labels, scores, multi_label=multi_label)
