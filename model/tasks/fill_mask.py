"""Fill-mask: words for a gap in the text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.errors import InputError, ModelLoadError
from model.info import Example, Param
from model.numbers import Floats, softmax
from model.prediction import ScoredLabel, ScoredLabels
from model.tasks.base import Config, Task
from model.tokenizer import Tokenizer, TokenRow


class FillMask(Task):
    """The likeliest words for a gap in the text, which a mask token marks."""

    name = "fill-mask"
    architectures = ("ForMaskedLM",)
    auto_model = "AutoModelForMaskedLM"

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        if tokenizer.mask_token is None or tokenizer.mask_id is None:
            raise ModelLoadError("Its tokenizer has no mask token. Name a masked language model.")
        self._mask, self._mask_id = tokenizer.mask_token, tokenizer.mask_id
        self.intro = (
            f"Write {self._mask} in place of a word and see which words the model suggests."
        )
        self.placeholder = f"Type a text with {self._mask} in it"
        self.params = (
            Param(name="top_k", title="Number of words", default=5, minimum=1, maximum=50),
        )
        self.examples = (
            Example(f"The capital of France is {self._mask}."),
            Example(f"I would like a cup of {self._mask}, please."),
        )

    def rows(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[list[TokenRow]]:
        rows = self.tokenizer.rows(texts)
        for text, row in zip(texts, rows, strict=True):
            count = list(row.ids).count(self._mask_id)
            if count == 1:
                continue
            if text.count(self._mask) == 1 and row.truncated:
                raise InputError(
                    f"The text is too long: the model reads its first {len(row):,} tokens, and "
                    f"{self._mask} comes after them. Shorten the text before {self._mask}."
                )
            raise InputError(
                f"The text has {self._mask} {count} times. Write {self._mask} exactly once, where "
                "the model should fill in a word."
            )
        return [[row] for row in rows]

    def output(
        self,
        text: str,
        rows: Sequence[TokenRow],
        logits: Sequence[Floats],
        params: Mapping[str, Any],
    ) -> ScoredLabels:
        (row,), (logits_by_token,) = rows, logits
        scores = softmax(logits_by_token[list(row.ids).index(self._mask_id)])
        top = np.argsort(-scores, kind="stable")[: params["top_k"]]
        return ScoredLabels(
            tuple(ScoredLabel(self.tokenizer.decode([int(i)]), float(scores[i])) for i in top)
        )
