"""Which words of an input speak for its label: each is left out once, to see what changes.

What the probability of the label loses without a word is the weight of the word (occlusion:
Zeiler & Fergus 2014, https://arxiv.org/abs/1311.2901; for words Li, Monroe & Jurafsky 2016,
https://arxiv.org/abs/1612.08220). It asks the model for predictions and nothing else, so that it is
the same for every runtime. Words that say the same twice weigh little each: the other one stays.
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

MAX_VARIANTS = 100  # rows of forward passes that may be spent, beside the text's own

# Written without spaces: Thai, Lao, Myanmar, Khmer, Hiragana, Han. As in the default word
# boundaries of Unicode (UAX 29), which need no dictionary, a character of these is a word.
ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD = re.compile(rf"[{ALONE}]|[^\s{ALONE}]+")

Characters = tuple[int, int]  # from one up to and without the other


def can_attribute(prediction: Prediction) -> bool:
    """Whether the output is labels for a text, and the text has words to weigh."""
    return _is_classified(prediction) and len(words(prediction.input)) > 1


def attribute(model: Predictor, prediction: Prediction) -> Attribution:
    """What each word that the model read weighs for the label with the highest score.

    That is the label also where labels are decided for themselves and none of them applies. The
    text is predicted once more along with its variants, all in one bulk call: at most
    MAX_VARIANTS rows of them, or two variants if they need more. Raises InputError for a
    prediction that another model made, or whose words cannot be weighed; ModelError as
    `Model.predict` does.
    """
    label, rows_each = _checked(model, prediction)
    text = prediction.input
    begin, end = _read(model, prediction)
    found = [word for word in words(text) if begin <= word[0] and word[1] <= end]
    if len(found) < 2:
        raise InputError(
            "The model reads only one word of this text, and without it nothing is left to "
            "predict. Use a text of two words or more."
        )
    words_each = ceil(len(found) / max(2, MAX_VARIANTS // rows_each))
    groups = _grouped(found, words_each)
    variants = [text[begin:cut] + text[on:end] for cut, on in _gaps(groups)]
    whole, *others = model.predict([text[begin:end], *variants], prediction.params)
    score = _score(whole, label)
    weights = (
        Weight(*group, score - _score(other, label))
        for group, other in zip(groups, others, strict=True)
    )
    return Attribution(label, words_each, tuple(weights))


def words(text: str) -> list[Characters]:
    """Runs of what is not white space; single characters of scripts that are written without it.

    A combining mark stays with what it is on. What has control and format characters only, such
    as zero-width spaces, is no word.
    """
    found: list[Characters] = []
    for match in WORD.finditer(text):
        start, end = match.span()
        if found and found[-1][1] == start and unicodedata.category(text[start])[0] == "M":
            found[-1] = (found[-1][0], end)
        elif any(unicodedata.category(character) not in BLANK for character in match[0]):
            found.append((start, end))
    return found


def _is_classified(prediction: Prediction) -> bool:
    tasks = (TextClassification.name, ZeroShotClassification.name)
    return prediction.task in tasks and isinstance(prediction.output, ScoredLabels)


def _checked(model: Predictor, prediction: Prediction) -> tuple[str, int]:
    """The label to explain, and how many rows a prediction of its text needs.

    Raises InputError if there is none, or if another model made the prediction: it would
    explain another probability than the one that is shown.
    """
    if not _is_classified(prediction):
        raise InputError(
            f"The task of this prediction is {prediction.task}; words can be weighed for "
            f"{TextClassification.name} and {ZeroShotClassification.name}."
        )
    made = (prediction.task, prediction.model_revision)
    if made != (model.info.task, model.info.revision):
        raise InputError(
            f"This prediction was made by {prediction.model_id!r} at revision "
            f"{prediction.model_revision}, and {model.info.id!r} at revision "
            f"{model.info.revision} is loaded. Predict the text anew."
        )
    items = _items(prediction)
    return items[0].label, len(items) if prediction.task == ZeroShotClassification.name else 1


def _read(model: Predictor, prediction: Prediction) -> Characters:
    """The part of the text that the model read: of a longer one, the words within its limit.

    If the rest stayed, it would move up in the place of a word that is left out.
    """
    text, params = prediction.input, prediction.params
    if not prediction.truncated:
        return 0, len(text)
    from_start = model.info.truncation_side == "right"
    found = words(text)
    parts = [(0, end) for _, end in found]
    if not from_start:
        parts = [(start, len(text)) for start, _ in reversed(found)]
    fitting = bisect_left(
        parts, True, key=lambda part: not model.reads_all(text[part[0] : part[1]], params)
    )
    return parts[fitting - 1] if fitting else (0, 0)


def _grouped(found: Sequence[Characters], words_each: int) -> list[Characters]:
    """Neighbours as one, from the start of the first word to the end of the last one."""
    groups = (found[i : i + words_each] for i in range(0, len(found), words_each))
    return [(group[0][0], group[-1][1]) for group in groups]


def _gaps(groups: Sequence[Characters]) -> list[Characters]:
    """What to cut for each group: it and the white space behind it, or before it if it is last."""
    gaps = [(group[0], following[0]) for group, following in pairwise(groups)]
    return [*gaps, (groups[-2][1], groups[-1][1])]


def _items(prediction: Prediction) -> tuple[ScoredLabel, ...]:
    return cast(ScoredLabels, prediction.output).items


def _score(prediction: Prediction, label: str) -> float:
    for item in _items(prediction):
        if item.label == label:
            return item.score
    # an imported one, which was changed
    raise InputError(f"The model has no label {label!r}. Predict the text anew.")
