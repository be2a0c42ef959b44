"""Token classification: labelled spans of a text, grouped as in transformers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelLoadError
from model.info import Example, Param
from model.numbers import Floats, softmax
from model.prediction import Span, Spans
from model.tasks.base import Config, Task, check_width, labels_of
from model.tokenizer import Tokenizer, TokenRow


class TokenClassification(Task):
    """Labelled spans of a text, such as names of people and places."""

    name = "token-classification"
    architectures = ("ForTokenClassification",)
    auto_model = "AutoModelForTokenClassification"
    intro = "Paste a text and see which parts of it the model labels."

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        if not tokenizer.is_fast:
            raise ModelLoadError(
                "Its tokenizer cannot say which characters a token stands for. Name a model that "
                "has a tokenizer.json."
            )
        self._tags = labels_of(config)
        self.labels = tuple(dict.fromkeys(_kind(tag) for tag in self._tags if tag != "O"))
        self.params = (
            Param(
                name="aggregation_strategy",
                title="Grouping of tokens",
                default="simple",
                choices=("simple", "first", "average", "max"),
                hint="simple joins tokens of the same label. The others first give each word a "
                "label: that of its first token, of the mean score, or of the highest score.",
            ),
        )
        self.examples = (
            Example("Ada Lovelace was born in London and wrote to Charles Babbage."),
            Example("Nokia was founded in Tampere in 1865."),
        )

    def rows(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[list[TokenRow]]:
        return [[row] for row in self.tokenizer.rows(texts, offsets=True)]

    def output(
        self,
        text: str,
        rows: Sequence[TokenRow],
        logits: Sequence[Floats],
        params: Mapping[str, Any],
    ) -> Spans:
        """The spans, with groups and offsets as in transformers' TokenClassificationPipeline."""
        (row,), (logits_by_token,) = rows, logits
        check_width(logits_by_token, self._tags)
        tokens = [
            (int(row.ids[i]), offsets, softmax(logits_by_token[i]))
            for i, offsets in enumerate(row.offsets)
            if offsets is not None
        ]
        strategy = params["aggregation_strategy"]
        if strategy == "simple":
            tagged = [self._best(scores, *offsets) for _, offsets, scores in tokens]
        else:
            words: list[list[tuple[tuple[int, int], NDArray[np.float64]]]] = []
            for token_id, offsets, scores in tokens:
                if not words or self.tokenizer.is_word_start(token_id, text, *offsets):
                    words.append([])
                words[-1].append((offsets, scores))
            tagged = [self._word(word, strategy) for word in words]
        return Spans(tuple(span for span in _joined(tagged) if span.label != "O"))

    def _word(
        self, word: Sequence[tuple[tuple[int, int], NDArray[np.float64]]], strategy: str
    ) -> Span:
        """A word as a span, with a single tag from the scores of its tokens."""
        by_token = [scores for _, scores in word]
        if strategy == "first":
            scores = by_token[0]
        elif strategy == "max":
            scores = max(by_token, key=lambda scores: scores.max())
        else:
            scores = np.mean(by_token, axis=0)
        return self._best(scores, word[0][0][0], word[-1][0][1])

    def _best(self, scores: NDArray[np.float64], start: int, end: int) -> Span:
        best = int(scores.argmax())
        return Span(self._tags[best], float(scores[best]), start, end)


def _kind(tag: str) -> str:
    """The label of a span from the tag of its first token, cut as in transformers."""
    return tag.split("-", 1)[-1]


def _group(tag: str) -> str:
    """A tag without its B- or I-."""
    return re.sub(r"^[BI]-", "", tag)


def _joined(tagged: Sequence[Span]) -> list[Span]:
    """Neighbours of the same label joined to a span, unless a tag begins a new span (B-)."""
    groups: list[list[Span]] = []
    for span in tagged:
        same = groups and _group(groups[-1][-1].label) == _group(span.label)
        if same and not span.label.startswith("B-"):
            groups[-1].append(span)
        else:
            groups.append([span])
    return [
        Span(
            _kind(group[0].label),
            float(np.mean([span.score for span in group])),
            group[0].start,
            group[-1].end,
        )
        for group in groups
    ]
