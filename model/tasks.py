"""What each task makes of text and of the numbers that a forward pass returns.

One class a task: what the form asks for, its parameters, the rows of a text's forward pass, and
the output made from their logits. docs/tasks.md says how to add one. Knows no runtime: it sees
arrays, not tensors.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError, ModelError, ModelLoadError
from model.prediction import (
    Example,
    GeneratedText,
    Output,
    Param,
    Prediction,
    ScoredLabel,
    ScoredLabels,
    Span,
    Spans,
)
from model.tokenizer import Row, Tokenizer, TransformersTokenizer

BLANK = {"Cc", "Cf", "Zl", "Zp", "Zs"}  # Unicode general categories
MAX_CANDIDATES = 100
MAX_PARAM_CHARS = 500  # of a text, and of each text of a list
Floats = NDArray[Any]
Config = Mapping[str, Any]
Correction = Literal["label", "labels", "text", "spans"]


def check_text(text: str, *, max_chars: int) -> None:
    """Raises InputError if `text` is blank or longer than `max_chars` characters.

    Blank is also what has control and format characters only, such as zero-width spaces.
    """
    if all(unicodedata.category(character) in BLANK for character in text):
        raise InputError("There is no text to predict. Type or paste some.")
    if len(text) > max_chars:
        raise InputError(
            f"The text has {len(text):,} characters and the limit is {max_chars:,}. "
            "Shorten it, or split it and predict the parts."
        )


class Task:
    """What the five tasks have in common; a subclass fills in the rest."""

    name: ClassVar[str]
    architectures: ClassVar[tuple[str, ...]]  # how the names of fitting ones end
    auto_model: ClassVar[str]  # the class of transformers that loads them
    output_type: ClassVar[type[Output]]
    correction: ClassVar[Correction]  # what a reviewer says who finds the output wrong
    intro: str
    placeholder: str = "Type or paste a text"

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        """Reads a transformers config; raises ModelLoadError if the model cannot do the task."""
        self.tokenizer = tokenizer
        self.labels: tuple[str, ...] = ()
        self.params: tuple[Param, ...] = ()
        self.examples: tuple[Example, ...] = ()

    def rows(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[list[Row]]:
        """The rows of the forward pass that each text needs; raises InputError if it cannot be."""
        return [[row] for row in self.tokenizer.rows(texts)]

    def output(
        self, text: str, rows: Sequence[Row], logits: Sequence[Floats], params: Mapping[str, Any]
    ) -> Output:
        """The output for a text, from the logits of each of its rows.

        Raises ModelError if a logit is not a finite number: such a score means nothing.
        """
        raise NotImplementedError


class TextClassification(Task):
    """One label of several for a text, or any number of them, as the config's problem_type says."""

    name = "text-classification"
    architectures = ("ForSequenceClassification",)
    auto_model = "AutoModelForSequenceClassification"
    intro = "Paste a text and see which label the model gives it."
    output_type = ScoredLabels
    correction = "label"

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        self.labels = _labels(config)
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
        self, text: str, rows: Sequence[Row], logits: Sequence[Floats], params: Mapping[str, Any]
    ) -> ScoredLabels:
        (scores,) = logits
        _check_width(scores, self.labels)
        scores = sigmoid(scores) if self._multi_label else softmax(scores)
        return by_score(self.labels, scores, multi_label=self._multi_label)


class ZeroShotClassification(Task):
    """Labels that the visitor makes up, tried by a model for natural language inference.

    Each label becomes a hypothesis about the text; the score is how far the text entails it
    (Yin et al. 2019, https://arxiv.org/abs/1909.00161).
    """

    name = "zero-shot-classification"
    architectures = ("ForSequenceClassification",)
    auto_model = "AutoModelForSequenceClassification"
    intro = "Paste a text, name some labels, and see which of them the model thinks fits."
    output_type = ScoredLabels
    correction = "label"

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        labels = _labels(config)
        entailing = [i for i, label in enumerate(labels) if _entails(label)]
        if not entailing or len(labels) < 2:
            raise ModelLoadError(
                f"Its labels are {', '.join(labels[:5])}; {self.name} needs a model for natural "
                "language inference, which has a label 'entailment' and one that contradicts."
            )
        self._entailment = entailing[-1]
        self._contradiction = -1 if self._entailment == 0 else 0
        self.params = (
            Param(
                name="candidate_labels",
                title="Labels to choose from",
                default=("billing", "technical problem", "praise"),
                maximum=MAX_CANDIDATES,
                hint="One a line.",
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

    def rows(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[list[Row]]:
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
        self, text: str, rows: Sequence[Row], logits: Sequence[Floats], params: Mapping[str, Any]
    ) -> ScoredLabels:
        labels = params["candidate_labels"]
        every = np.stack(logits)
        multi_label = bool(params["multi_label"]) or len(labels) == 1
        if multi_label:  # entailed or contradicted, for each label by itself
            pairs = every[:, [self._contradiction, self._entailment]]
            scores = np.array([softmax(pair)[1] for pair in pairs])
        else:
            scores = softmax(every[:, self._entailment])
        return by_score(labels, scores, multi_label=multi_label)


class TokenClassification(Task):
    """Spans of the text with a label each, such as names of people and places."""

    name = "token-classification"
    architectures = ("ForTokenClassification",)
    auto_model = "AutoModelForTokenClassification"
    intro = "Paste a text and see what the model finds in it."
    output_type = Spans
    correction = "spans"

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        if not tokenizer.is_fast:
            raise ModelLoadError(
                "Its tokenizer cannot say which characters a token stands for. Name a model that "
                "has a tokenizer.json."
            )
        self._tags = _labels(config)
        self.labels = tuple(dict.fromkeys(_kind(tag) for tag in self._tags if tag != "O"))
        self.params = (
            Param(
                name="aggregation_strategy",
                title="How tokens become spans",
                default="simple",
                choices=("simple", "first", "average", "max"),
                hint="simple joins tokens of one label; the others give a word one label first: "
                "its first token's, that of the mean score, or that of the highest.",
            ),
        )
        self.examples = (
            Example("Ada Lovelace was born in London and wrote to Charles Babbage."),
            Example("Nokia was founded in Tampere in 1865."),
        )

    def rows(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[list[Row]]:
        return [[row] for row in self.tokenizer.rows(texts, offsets=True)]

    def output(
        self, text: str, rows: Sequence[Row], logits: Sequence[Floats], params: Mapping[str, Any]
    ) -> Spans:
        """Groups as transformers' TokenClassificationPipeline does, offsets included."""
        (row,), (scores,) = rows, logits
        _check_width(scores, self._tags)
        tokens = [
            (int(row.ids[i]), offsets, softmax(scores[i]))
            for i, offsets in enumerate(row.offsets)
            if offsets is not None
        ]
        strategy = params["aggregation_strategy"]
        if strategy == "simple":
            tagged = [self._best(values, *offsets) for _, offsets, values in tokens]
        else:
            words: list[list[tuple[tuple[int, int], NDArray[np.float64]]]] = []
            for token_id, offsets, values in tokens:
                if not words or self.tokenizer.is_word_start(token_id, text, *offsets):
                    words.append([])
                words[-1].append((offsets, values))
            tagged = [self._word(word, strategy) for word in words]
        return Spans(tuple(span for span in _joined(tagged) if span.label != "O"))

    def _word(
        self, word: Sequence[tuple[tuple[int, int], NDArray[np.float64]]], strategy: str
    ) -> Span:
        every = [values for _, values in word]
        if strategy == "first":
            values = every[0]
        elif strategy == "max":
            values = max(every, key=lambda one: one.max())
        else:
            values = np.mean(every, axis=0)
        return self._best(values, word[0][0][0], word[-1][0][1])

    def _best(self, values: NDArray[np.float64], start: int, end: int) -> Span:
        best = int(values.argmax())
        return Span(self._tags[best], float(values[best]), start, end)


class FillMask(Task):
    """The likeliest words for a gap in the text."""

    name = "fill-mask"
    architectures = ("ForMaskedLM",)
    auto_model = "AutoModelForMaskedLM"
    output_type = ScoredLabels
    correction = "text"

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

    def rows(self, texts: Sequence[str], params: Mapping[str, Any]) -> list[list[Row]]:
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
        self, text: str, rows: Sequence[Row], logits: Sequence[Floats], params: Mapping[str, Any]
    ) -> ScoredLabels:
        (row,), (every,) = rows, logits
        scores = softmax(every[list(row.ids).index(self._mask_id)])
        top = np.argsort(-scores, kind="stable")[: params["top_k"]]
        return ScoredLabels(
            tuple(ScoredLabel(self.tokenizer.decode([int(i)]), float(scores[i])) for i in top)
        )


class TextGeneration(Task):
    """Text that continues the input, or answers it where the tokenizer has a chat template."""

    name = "text-generation"
    architectures = ("ForCausalLM", "LMHeadModel")
    auto_model = "AutoModelForCausalLM"
    intro = "Write the beginning of a text and see how the model goes on."
    output_type = GeneratedText
    correction = "text"

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        super().__init__(config, tokenizer)
        limit = min(4096, max(1, tokenizer.max_tokens // 2))
        self.params = (
            Param(
                name="max_new_tokens",
                title="At most this many new tokens",
                default=min(128, limit),
                minimum=1,
                maximum=limit,
            ),
            Param(
                name="temperature",
                title="Temperature",
                default=0.0,
                minimum=0,
                maximum=2,
                hint="0 takes the likeliest token each time; more gives more variety.",
            ),
            Param(
                name="seed",
                title="Seed",
                default=0,
                minimum=0,
                maximum=2**31 - 1,
                hint="The same seed gives the same text; 0 draws a new one each time.",
            ),
        )
        self.examples = (Example("Once upon a time"), Example("The three laws of robotics are"))
        if tokenizer.has_chat_template:
            self.intro = "Write to the model and see what it answers."
            self.params += (
                Param(
                    name="chat",
                    title="As a message",
                    default=True,
                    hint="Off, the model continues the text instead of answering it.",
                ),
            )
            self.examples = (
                Example("Explain in two sentences why the sky is blue."),
                Example("Name three uses of a brick."),
            )

    def prompt(self, text: str, params: Mapping[str, Any], *, max_tokens: int) -> Row:
        """The prompt's row, which leaves room for the new tokens within `max_tokens`.

        A longer text loses its beginning, as with the pipeline's handle_long_generation="hole".
        Raises InputError for a message that is too long: without its beginning it is none.
        """
        chat = bool(params.get("chat"))
        row = cast(TransformersTokenizer, self.tokenizer).prompt(text, chat=chat)
        if not row:
            raise InputError("There is no text to continue. Type or paste some.")
        room = max_tokens - params["max_new_tokens"]
        if len(row) <= room:
            return row
        if chat:
            raise InputError(
                f"The message has {len(row):,} tokens and the model takes {max_tokens:,}, the "
                f"{params['max_new_tokens']:,} new ones included. Shorten it, or ask for fewer."
            )
        return Row({"input_ids": row.ids[-room:]}, truncated=True)


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
    """The class of the task that was asked for, or with "auto" of the one the model is made for.

    Goes by the architecture; where that fits two tasks, or is not stated, by the card's
    `pipeline_tag` and the labels. Raises ModelLoadError if nothing fits, naming what would.
    """
    architecture = (config.get("architectures") or [""])[0]
    if asked != "auto":
        task = TASKS[asked]
        if architecture and not architecture.endswith(task.architectures):
            raise ModelLoadError(
                f"Its architecture is {architecture}; {asked} needs one that ends in "
                f'{" or ".join(task.architectures)}. Set task = "auto", or name another model.'
            )
        return task
    fitting = [t for t in TASKS.values() if architecture and architecture.endswith(t.architectures)]
    if ZeroShotClassification in fitting:
        labels = (config.get("id2label") or {}).values()
        infers = any(_entails(str(label)) for label in labels)
        return ZeroShotClassification if infers else TextClassification
    if fitting:
        return fitting[0]
    if not architecture and pipeline_tag in TASKS:
        return TASKS[pipeline_tag]
    kind = f"architecture is {architecture}" if architecture else "config names no architecture"
    raise ModelLoadError(
        f"Its {kind}; supported are models for {SUPPORTED}. Name one of those, or set task if the "
        "model does one of them."
    )


def correction_for(prediction: Prediction) -> Correction:
    """What a reviewer is asked for who finds the output wrong."""
    output, task = prediction.output, TASKS.get(prediction.task)
    if isinstance(output, ScoredLabels) and output.multi_label:
        return "labels"
    if task and isinstance(output, task.output_type):
        return task.correction
    # imported, from a task that this version does not know
    return next(task.correction for task in TASKS.values() if isinstance(output, task.output_type))


def checked(
    params: Sequence[Param], given: Mapping[str, Any], *, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Every parameter's value: as given, else the default; raises InputError for a wrong one."""
    names = [param.name for param in params]
    for name in given:
        if name not in names:
            known = f"it has {', '.join(names)}" if names else "it has none"
            raise InputError(f"This model has no parameter {name!r}; {known}.")
    every = {param.name: param.default for param in params} | dict(defaults) | dict(given)
    return {param.name: checked_value(param, every[param.name]) for param in params}


def checked_value(param: Param, value: Any) -> Any:
    """`value` as the parameter's kind; raises InputError if it is of another, or out of bounds."""
    if isinstance(param.default, tuple):
        return _list(param, value)
    if isinstance(param.default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(param.default):
        raise InputError(f"{param.name} is {value!r}; it must be {_expected(param)}.")
    if isinstance(value, str) and len(value) > MAX_PARAM_CHARS:
        raise InputError(f"{param.title}: {len(value):,} characters; at most {MAX_PARAM_CHARS}.")
    if param.choices and value not in param.choices:
        raise InputError(f"{param.name} is {value!r}; it must be {' or '.join(param.choices)}.")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and not param.minimum <= value <= param.maximum:
        raise InputError(f"{param.name} is {value!r}; it must be {_expected(param)}.")
    return value


def _list(param: Param, value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputError(f"{param.name} is {value!r}; it must be {_expected(param)}.")
    if not all(isinstance(item, str) for item in value):
        raise InputError(f"{param.name} is {value!r}; it must be {_expected(param)}.")
    items = list(dict.fromkeys(item.strip() for item in value if item.strip()))
    if not 1 <= len(items) <= param.maximum:
        raise InputError(
            f"{param.title}: {len(items)} given; name at least 1 and at most {param.maximum}."
        )
    if (longest := max(map(len, items))) > MAX_PARAM_CHARS:
        raise InputError(
            f"{param.title}: one has {longest:,} characters; each may have {MAX_PARAM_CHARS}."
        )
    return items


def _expected(param: Param) -> str:
    if isinstance(param.default, tuple):
        return "a list of texts"
    if isinstance(param.default, bool):
        return "true or false"
    if isinstance(param.default, str):
        return "a text"
    number = "a whole number" if isinstance(param.default, int) else "a number"
    return f"{number} from {param.minimum:g} to {param.maximum:g}"


# --- numbers --------------------------------------------------------------------------------------


def softmax(logits: Floats) -> NDArray[np.float64]:
    """Probabilities over the last axis of a vector of logits, none of which overflows."""
    finite = _finite(logits)
    exponentials = np.exp(finite - finite.max())
    return np.asarray(exponentials / exponentials.sum())


def sigmoid(logits: Floats) -> NDArray[np.float64]:
    """A probability for each logit by itself."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * _finite(logits))))


def _finite(logits: Floats) -> NDArray[np.float64]:
    if not np.isfinite(logits).all():
        raise ModelError(
            "the scores are not numbers, as half precision or damaged weights can cause. "
            'Set dtype = "float32" or check the weights.'
        )
    return logits.astype(np.float64)


def by_score(
    labels: Sequence[str], scores: NDArray[np.float64], *, multi_label: bool
) -> ScoredLabels:
    """Labels by falling score; equal ones keep their order."""
    order = np.argsort(-scores, kind="stable")
    return ScoredLabels(tuple(ScoredLabel(labels[i], float(scores[i])) for i in order), multi_label)


# --- labels ---------------------------------------------------------------------------------------


def _labels(config: Config) -> tuple[str, ...]:
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


def _entails(label: str) -> bool:
    return label.lower().startswith("entail")


def _check_width(logits: Floats, labels: Sequence[str]) -> None:
    if logits.shape[-1] != len(labels):
        raise ModelError(
            f"The model gives {logits.shape[-1]} scores and its config names {len(labels)} labels. "
            "Correct id2label in its config.json."
        )


def _kind(tag: str) -> str:
    """The label of a span by the tag of its first token; as transformers cuts it."""
    return tag.split("-", 1)[-1]


def _group(tag: str) -> str:
    """A tag without its B- or I-."""
    return re.sub(r"^[BI]-", "", tag)


def _joined(tagged: Sequence[Span]) -> list[Span]:
    """Neighbours of one label as one span, unless the tag says that a new one begins (B-)."""
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
