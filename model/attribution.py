"""The words of an input that speak for its label: each word is left out once.

The weight of a word is the probability that the label loses without it (occlusion: Zeiler & Fergus
2014, https://arxiv.org/abs/1311.2901; for words Li, Monroe & Jurafsky 2016,
https://arxiv.org/abs/1612.08220). All it asks of a predictor is predictions, so it is the same for
every runtime. Of two words with the same meaning each weighs little, since the other remains. The
words are those of the input as typed; what changes it before the model reads it (see
model/preprocess.py) changes each variant, too.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import cast

from model.errors import InputError
from model.prediction import Attribution, Prediction, ScoredLabel, ScoredLabels, Weight
from model.predictor import Predictor
from model.tasks import TextClassification, ZeroShotClassification
from model.text import BLANK

MAX_VARIANTS = 100  # rows of the forward passes, beside those of the text itself

# Scripts without spaces: Thai, Lao, Myanmar, Khmer, Hiragana, Han. As in the default word
# boundaries of Unicode (UAX 29), which need no dictionary, each of their characters is a word.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")

Characters = tuple[int, int]  # a part of a text, from `start` up to and without `end`


def can_attribute(prediction: Prediction) -> bool:
    """True if the output is labels for the whole text, and the text has two words or more."""
    return _is_classified(prediction) and len(words(prediction.input)) > 1


def attribute(model: Predictor, prediction: Prediction) -> Attribution:
    """The weight that each word has for the label with the highest score.

    That label is explained even if each label is decided by itself and none of them applies. The
    text and its variants are predicted in a single bulk call; the variants have at most
    MAX_VARIANTS rows, or are two if a variant needs more than half of that. Words that the model
    did not read are left out. Raises InputError for a prediction of another model and for a text
    whose words cannot be weighed, ModelError as `Predictor.predict` does.
    """
    label, rows_each = _checked(model, prediction)
    text = prediction.input
    begin, end = _part_read(model, prediction)
    words_read = [word for word in words(text) if begin <= word[0] and word[1] <= end]
    if len(words_read) < 2:
        raise InputError(
            "The model reads only one word of this text, and without it nothing is left to "
            "predict. Use a text of two words or more."
        )
    words_each = ceil(len(words_read) / max(2, MAX_VARIANTS // rows_each))
    groups = _grouped(words_read, words_each)
    variants = [text[begin:gap_start] + text[gap_end:end] for gap_start, gap_end in _gaps(groups)]
    try:
        whole, *others = model.predict([text[begin:end], *variants], prediction.params)
    except InputError as error:  # of the owner's function, which took the text as it was
        raise InputError(
            f"This text cannot be predicted without each of its words. {error}"
        ) from error
    score = _score(whole, label)
    weights = (
        Weight(*group, score - _score(other, label))
        for group, other in zip(groups, others, strict=True)
    )
    return Attribution(label, words_each, tuple(weights))


def words(text: str) -> list[Characters]:
    """The words of a text: runs without white space, single characters in scripts without spaces.

    A combining mark belongs to the character before it. A run of control and format characters,
    such as zero-width spaces, is not a word.
    """
    spans: list[Characters] = []
    for match in WORD.finditer(text):
        start, end = match.span()
        if spans and spans[-1][1] == start and unicodedata.category(text[start])[0] == "M":
            spans[-1] = (spans[-1][0], end)
        elif any(unicodedata.category(character) not in BLANK for character in match[0]):
            spans.append((start, end))
    return spans


def _is_classified(prediction: Prediction) -> bool:
    tasks = (TextClassification.name, ZeroShotClassification.name)
    return prediction.task in tasks and isinstance(prediction.output, ScoredLabels)


def _checked(model: Predictor, prediction: Prediction) -> tuple[str, int]:
    """The label to explain, and the number of rows that a prediction of the text needs.

    Raises InputError for a task without such labels, and for a prediction of another model, since
    the probability that is shown is not that of `model`.
    """
    if not _is_classified(prediction):
        raise InputError(
            f"The task of this prediction is {prediction.task}; words can be weighed for "
            f"{TextClassification.name} and {ZeroShotClassification.name}."
        )
    info = model.info
    if (prediction.task, prediction.model_revision) != (info.task, info.revision):
        raise InputError(
            f"This prediction was made by {prediction.model_id!r} at revision "
            f"{prediction.model_revision}, and {info.id!r} at revision {info.revision} is loaded. "
            "Predict the text anew."
        )
    items = _items(prediction)
    return items[0].label, len(items) if prediction.task == ZeroShotClassification.name else 1


def _part_read(model: Predictor, prediction: Prediction) -> Characters:
    """The part of the text that the model read: all of it, or the words within the model's limit.

    If the rest stayed, it would take the place of a word that is left out.
    """
    text, params = prediction.input, prediction.params
    if not prediction.truncated:
        return 0, len(text)
    if model.info.truncation_side == "right":
        parts = [(0, end) for _, end in words(text)]
    else:
        parts = [(start, len(text)) for start, _ in reversed(words(text))]
    # The parts grow word by word, so that those within the limit come first.
    within = bisect_left(
        parts, True, key=lambda part: not model.reads_all(text[part[0] : part[1]], params)
    )
    return parts[within - 1] if within else (0, 0)


def _grouped(spans: Sequence[Characters], words_each: int) -> list[Characters]:
    """Groups of `words_each` neighbouring words, the last perhaps of fewer.

    Each is the part of the text from the start of its first word to the end of its last.
    """
    groups = (spans[i : i + words_each] for i in range(0, len(spans), words_each))
    return [(group[0][0], group[-1][1]) for group in groups]


def _gaps(groups: Sequence[Characters]) -> list[Characters]:
    """The parts to cut, one for each group: the group with the white space after it.

    The last group is cut with the white space before it.
    """
    gaps = [(group[0], following[0]) for group, following in pairwise(groups)]
    return [*gaps, (groups[-2][1], groups[-1][1])]


def _items(prediction: Prediction) -> tuple[ScoredLabel, ...]:
    return cast(ScoredLabels, prediction.output).items


def _score(prediction: Prediction, label: str) -> float:
    for item in _items(prediction):
        if item.label == label:
            return item.score
    # The prediction was imported from a file, and its labels were changed there.
    raise InputError(f"The model has no label {label!r}. Predict the text anew.")
