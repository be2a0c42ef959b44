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
    """The likeliest words for a gap in the text."""

    name = "fill-mask"
    architectures = ("ForMaskedLM",)
    auto_model = "AutoModelForMaskedLM"

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        if tokenizer.mask_token is None or tokenizer.mask_id is None:
            raise ModelLoadError("Its tokenizer has no mask token. Name a masked language model.")
        self._mask, self._mask_id = tokenizer.mask_token, tokenizer.mask_id
        self.intro = f"Write {self._mask} for one word, and see what the model puts there."
        self.placeholder = f"Type a text with {self._mask} in it"
        self.params = (
            Param(name="top_k", title="How many words", default=5, minimum=1, maximum=50),
        )
        self.examples = (
            Example(f"The capital of France is {self._mask}."),
            Example(f"I would like a cup of {self._mask}, please."),
        )

    def rows(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[list[TokenRow]]:
        made = self.tokenizer.rows(texts)
        for text, row in zip(texts, made, strict=True):
            count = list(row.ids).count(self._mask_id)
            if count == 1:
                continue
            if text.count(self._mask) == 1 and row.truncated:
                raise InputError(
                    f"The text is too long: {self._mask} is behind the first {len(row):,} tokens, "
                    "which are all that the model reads. Shorten the text in front of it."
                )
            raise InputError(
                f"The text has {count} times {self._mask}; it must have it once, in place of the "
                "word that the model shall find."
            )
        return [[row] for row in made]

    def output(
        self,
        text: str,
        rows: Sequence[TokenRow],
        logits: Sequence[Floats],
        params: Mapping[str, Any],
    ) -> ScoredLabels:
        (row,), (every,) = rows, logits
        scores = softmax(every[list(row.ids).index(self._mask_id)])
        top = np.argsort(-scores, kind="stable")[: params["top_k"]]
        return ScoredLabels(
            tuple(ScoredLabel(self.tokenizer.decode([int(i)]), float(scores[i])) for i in top)
        )
