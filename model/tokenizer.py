"""Text to token ids and back, in the few calls that tasks need.

`Tokenizer` needs only the library tokenizers; `TransformersTokenizer` reads the tokenizer of a
model for PyTorch, and writes prompts. Knows no task and no weights.
"""

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import InputError

UNLIMITED = 2**31  # tokens
Message = Mapping[str, str]  # of a conversation: its role and its content
LONE_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")


def limit(tokens: Any) -> int:
    """A number of tokens from a config; UNLIMITED for None, -1 and infinity."""
    finite = isinstance(tokens, int | float) and 0 < tokens < UNLIMITED
    return int(tokens) if finite else UNLIMITED


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A row of a forward pass.

    `inputs` are the model's inputs by name, each as long as the row. `offsets` are the start and
    end of the characters that each token stands for, None for a special token; empty if the task
    did not ask for them.
    """

    inputs: Mapping[str, Sequence[int]]
    truncated: bool
    offsets: tuple[tuple[int, int] | None, ...] = ()

    @property
    def ids(self) -> Sequence[int]:
        """The token ids."""
        return self.inputs["input_ids"]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The settings of a tokenizer that tokenizer.json lacks; an export stores them.

    `takes` are the names of the model's inputs. `mask_token`, `mask_id` and `unknown_id` are None
    if the tokenizer has no such token.
    """

    max_tokens: int
    takes: tuple[str, ...]
    pads_right: bool
    truncates_right: bool
    marks_subwords: bool
    mask_token: str | None
    mask_id: int | None
    unknown_id: int | None


class Tokenizer:
    """A tokenizer that all threads may use; its rows have at most `max_tokens` tokens."""

    is_fast = True
    has_chat_template = False

    def __init__(self, core: Any, traits: Traits) -> None:
        """`core` is a tokenizer of the library tokenizers."""
        self._core = core
        # The library keeps truncation as a state, which two threads must not change at once.
        self._lock = threading.Lock()
        self.traits = traits
        self.max_tokens = traits.max_tokens
        self.pads_right = traits.pads_right
        self.mask_token = traits.mask_token
        self.mask_id = traits.mask_id

    @classmethod
    def from_file(cls, path: Path, traits: Traits) -> "Tokenizer":
        """Reads a tokenizer.json; raises the errors of tokenizers for a file that is not valid."""
        import tokenizers

        return cls(tokenizers.Tokenizer.from_file(str(path)), traits)

    def traits_now(self) -> Traits:
        """The traits, with the present limit of tokens."""
        return dataclasses.replace(self.traits, max_tokens=self.max_tokens)

    def to_json(self) -> str:
        """The contents of a tokenizer.json; only for a tokenizer that `is_fast`."""
        with self._lock:
            self._core.no_truncation()
            self._core.no_padding()
            text: str = self._core.to_str(pretty=True)
        return text

    def rows(
        self,
        texts: Sequence[str],
        *,
        pairs: Sequence[str] | None = None,
        offsets: bool = False,
    ) -> list[TokenRow]:
        """A row for each text; with `pairs` for each text and its pair, of which the text is cut.

        Raises InputError if a pair leaves no room for the text, or a text has no token.
        """
        if not texts:
            return []
        readable = [text.translate(LONE_SURROGATES) for text in texts]
        cleaned = [text.translate(LONE_SURROGATES) for text in pairs] if pairs else None
        with self._lock:
            try:
                rows = self._encoded(readable, cleaned, offsets)
            except Exception as error:
                if "too short" not in str(error):
                    raise
                raise InputError(
                    f"A label fills the {self.max_tokens:,} tokens that the model reads, and the "
                    "text has no room. Shorten the label."
                ) from error
        if not all(rows):
            raise InputError("There is no text to predict. Type or paste some.")
        return rows

    def _encoded(self, texts: list[str], pairs: list[str] | None, offsets: bool) -> list[TokenRow]:
        self._core.no_padding()
        self._core.enable_truncation(
            self.max_tokens,
            strategy="only_first" if pairs else "longest_first",
            direction="right" if self.traits.truncates_right else "left",
        )
        inputs = list(zip(texts, pairs, strict=True)) if pairs else texts
        return [self._row(encoding, offsets) for encoding in self._core.encode_batch(inputs)]

    def _row(self, encoding: Any, offsets: bool) -> TokenRow:
        inputs = {
            "input_ids": encoding.ids,
            "token_type_ids": encoding.type_ids,
            "attention_mask": encoding.attention_mask,
        }
        return TokenRow(
            {name: inputs[name] for name in self.traits.takes if name in inputs},
            bool(encoding.overflowing),
            _offsets(encoding.offsets, encoding.special_tokens_mask) if offsets else (),
        )

    def is_word_start(self, token_id: int, text: str, start: int, end: int) -> bool:
        """True if the token for the characters `start` to `end` of `text` begins a word.

        Decided as transformers does for token classification: a WordPiece continuation has its
        mark, so it is longer than its characters. Where tokens have no mark, a word begins with a
        space, or after one.
        """
        if token_id == self.traits.unknown_id:
            return True
        if self.traits.marks_subwords:
            return len(self._core.id_to_token(token_id)) == end - start
        return start == 0 or " " in text[start - 1 : start + 1]

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        """The text of token ids; `special` False leaves out tokens such as the end of the text."""
        text: str = self._core.decode(ids, skip_special_tokens=not special)
        return text


class TransformersTokenizer(Tokenizer):
    """The tokenizer in a model's folder, of the class of transformers that the folder names.

    Most are fast: they contain a tokenizer of the library tokenizers, which is used directly. Some
    are written in Python, and do not know the characters that a token stands for.
    """

    def __init__(self, folder: Path, *, trust_remote_code: bool) -> None:
        """Reads the tokenizer in `folder`; raises the errors of transformers for a bad file."""
        # Before transformers is imported: huggingface_hub 2.4 prints errors otherwise.
        import huggingface_hub  # noqa: F401
        from transformers import AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
        core = getattr(self._tokenizer, "backend_tokenizer", None)
        self.is_fast = bool(self._tokenizer.is_fast)
        self.has_chat_template = bool(self._tokenizer.chat_template)
        traits = Traits(
            max_tokens=limit(self._tokenizer.model_max_length),
            takes=tuple(self._tokenizer.model_input_names),
            pads_right=self._tokenizer.padding_side == "right",
            truncates_right=self._tokenizer.truncation_side == "right",
            marks_subwords=bool(
                getattr(getattr(core, "model", None), "continuing_subword_prefix", None)
            ),
            mask_token=self._tokenizer.mask_token,
            mask_id=self._tokenizer.mask_token_id,
            unknown_id=self._tokenizer.unk_token_id,
        )
        super().__init__(core, traits)

    @property
    def raw(self) -> Any:
        """transformers' own tokenizer, with which `generate` looks for stop strings."""
        return self._tokenizer

    def _encoded(self, texts: list[str], pairs: list[str] | None, offsets: bool) -> list[TokenRow]:
        if self.is_fast:
            return super()._encoded(texts, pairs, offsets)
        encoded = self._tokenizer(
            texts,
            pairs,
            truncation="only_first" if pairs else True,
            max_length=self.max_tokens,
        )
        whole = zip(texts, pairs, strict=True) if pairs else [(text,) for text in texts]
        return [self._slow_row(encoded, i, parts) for i, parts in enumerate(whole)]

    def _slow_row(self, encoded: Mapping[str, Any], i: int, parts: tuple[str, ...]) -> TokenRow:
        inputs = {name: encoded[name][i] for name in self.traits.takes if name in encoded}
        full = len(inputs["input_ids"]) == self.max_tokens
        return TokenRow(inputs, full and self._count(*parts) > self.max_tokens)

    def _count(self, *texts: str) -> int:
        return len(self._tokenizer(*texts, verbose=False)["input_ids"])

    def prompt(self, text: str) -> TokenRow:
        """The row of a text to continue; it is not cut."""
        with self._lock:
            encoded = self._tokenizer(text.translate(LONE_SURROGATES), verbose=False)
        return TokenRow({"input_ids": encoded["input_ids"]}, truncated=False)

    def answer(self, messages: Sequence[Message]) -> TokenRow:
        """The row of a conversation, up to where the model's answer begins; it is not cut.

        Raises InputError if the model's chat template refuses the messages.
        """
        readable = [
            {name: text.translate(LONE_SURROGATES) for name, text in message.items()}
            for message in messages
        ]
        with self._lock:
            try:
                encoded = self._tokenizer.apply_chat_template(
                    readable, add_generation_prompt=True, return_dict=True
                )
            except Exception as error:  # a template is a program, and comes with the model
                raise InputError(
                    f"The model's chat template refuses the message: {error}. The owner can set "
                    "chat = false under [parameters] in app.toml."
                ) from error
        return TokenRow({"input_ids": encoded["input_ids"]}, truncated=False)

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=not special)
        return text


def _offsets(
    offsets: Sequence[tuple[int, int]], special: Sequence[int]
) -> tuple[tuple[int, int] | None, ...]:
    return tuple(
        None if is_special else (start, end)
        for (start, end), is_special in zip(offsets, special, strict=True)
    )
