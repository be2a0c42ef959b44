"""Text classification: labels for a text."""

from collections.abc import Mapping, Sequence
from typing import Any

from model.errors import ModelLoadError
from model.info import Example
from model.numbers import Floats, by_score, sigmoid, softmax
from model.prediction import ScoredLabels
from model.tasks.base import Config, Task, check_width, labels_of
from model.tokenizer import Tokenizer, TokenRow


class TextClassification(Task):
    """A label for a text, or any number of labels if the config's problem_type is multi-label."""

    name = "text-classification"
    architectures = ("ForSequenceClassification",)
    auto_model = "AutoModelForSequenceClassification"
    intro = "Paste a text and see which label the model gives it."

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        self.labels = labels_of(config)
        problem = config.get("problem_type")
        if problem == "regression":
            raise ModelLoadError(
                "Its problem_type is regression: it gives a number, not a label, and that is not "
                "supported. Name a model fine-tuned for classification."
            )
        self._multi_label = problem == "multi_label_classification" or len(self.labels) == 1
        self.examples = (
            Example("The battery lasts two days and the screen is gorgeous."),
            Example("They cancelled my order twice and nobody answers the phone."),
            Example("The meeting moved to Tuesday at ten."),
        )

    def output(
        self,
        text: str,
        rows: Sequence[TokenRow],
        logits: Sequence[Floats],
        params: Mapping[str, Any],
    ) -> ScoredLabels:
        (scores,) = logits
        check_width(scores, self.labels)
        scores = sigmoid(scores) if self._multi_label else softmax(scores)
        return by_score(self.labels, scores, multi_label=self._multi_label)
