"""Text to token ids and back: transformers' tokenizer behind the few calls that tasks need.

Knows no task and no weights.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import InputError

UNLIMITED = 2**31
LONE_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")


def limit(tokens: Any) -> int:
    """A number of tokens out of a config, where none, -1 and infinity mean that there is no end."""
    finite = isinstance(tokens, int | float) and 0 < tokens < UNLIMITED
    return int(tokens) if finite else UNLIMITED


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a forward pass.

    `inputs` are the model's inputs, each as long as the row. `offsets` are the characters of the
    text that each token stands for, start and end, and None for special tokens.
    """

    inputs: Mapping[str, Sequence[int]]
    truncated: bool
    offsets: tuple[tuple[int, int] | None, ...] = ()

    @property
    def ids(self) -> Sequence[int]:
        return self.inputs["input_ids"]

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """A tokenizer that any thread may use; rows are cut at `max_tokens`."""

    def __init__(self, folder: Path, *, trust_remote_code: bool) -> None:
        """Reads the tokenizer in `folder`; raises whatever transformers raises if it cannot."""
        from transformers import AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
        # Switching truncation on and off changes the tokenizer, which two threads must not do.
        self._lock = threading.Lock()
        self.max_tokens = limit(self._tokenizer.model_max_length)
        self.takes: frozenset[str] = frozenset(self._tokenizer.model_input_names)
        self.pads_right = self._tokenizer.padding_side == "right"
        self.is_fast = bool(self._tokenizer.is_fast)
        self.mask_token: str | None = self._tokenizer.mask_token
        self.mask_id: int | None = self._tokenizer.mask_token_id
        self.unknown_id: int | None = self._tokenizer.unk_token_id
        self.has_chat_template = bool(self._tokenizer.chat_template)
        model = getattr(getattr(self._tokenizer, "backend_tokenizer", None), "model", None)
        self.marks_subwords = bool(getattr(model, "continuing_subword_prefix", None))

    def rows(
        self,
        texts: Sequence[str],
        *,
        pairs: Sequence[str] | None = None,
        offsets: bool = False,
    ) -> list[Row]:
        """A row a text, or a text and its pair, of which only the text is cut.

        Raises InputError if a pair leaves no room for the text, or a text has no token.
        """
        if not texts:
            return []
        readable = [text.translate(LONE_SURROGATES) for text in texts]
        cleaned = [text.translate(LONE_SURROGATES) for text in pairs] if pairs else None
        with self._lock:
            try:
                encoded = self._tokenizer(
                    readable,
                    cleaned,
                    truncation="only_first" if cleaned else True,
                    max_length=self.max_tokens,
                    return_offsets_mapping=offsets,
                    return_special_tokens_mask=offsets,
                )
            except Exception as error:
                if "too short" not in str(error):
                    raise
                raise InputError(
                    f"A label fills the {self.max_tokens:,} tokens that the model reads, and the "
                    "text has no room. Shorten the label."
                ) from error
            rows = [self._row(encoded, i, readable, cleaned) for i in range(len(readable))]
        if not all(rows):
            raise InputError("There is no text to predict. Type or paste some.")
        return rows

    def _row(
        self, encoded: Mapping[str, Any], i: int, texts: list[str], pairs: list[str] | None
    ) -> Row:
        inputs = {name: encoded[name][i] for name in self.takes & encoded.keys()}
        longest = len(inputs["input_ids"]) == self.max_tokens
        whole = [texts[i], pairs[i]] if pairs else [texts[i]]
        truncated = longest and self._count(*whole) > self.max_tokens
        if "offset_mapping" not in encoded:
            return Row(inputs, truncated)
        special = encoded["special_tokens_mask"][i]
        return Row(
            inputs,
            truncated,
            tuple(
                None if is_special else (start, end)
                for (start, end), is_special in zip(
                    encoded["offset_mapping"][i], special, strict=True
                )
            ),
        )

    def _count(self, *texts: str) -> int:
        return len(self._tokenizer(*texts, verbose=False)["input_ids"])

    def prompt(self, text: str, *, chat: bool) -> Row:
        """The whole row of a text to continue, or with `chat` of a message to answer."""
        readable = text.translate(LONE_SURROGATES)
        with self._lock:
            encoded = self._message(readable) if chat else self._tokenizer(readable, verbose=False)
        return Row({"input_ids": encoded["input_ids"]}, truncated=False)

    def _message(self, text: str) -> Mapping[str, Any]:
        try:
            encoded: Mapping[str, Any] = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=True
            )
        except Exception as error:  # a template is a program, and comes with the model
            raise InputError(
                f"The model's chat template refuses the message: {error}. The owner can set "
                "chat = false under [parameters] in app.toml."
            ) from error
        return encoded

    @property
    def raw(self) -> Any:
        """transformers' own tokenizer, for `generate`, which looks for stop strings with it."""
        return self._tokenizer

    def is_word_start(self, token_id: int, text: str, start: int, end: int) -> bool:
        """Whether the token at these characters of `text` begins a word.

        As transformers decides it for token classification: a WordPiece continuation is longer
        than what it stands for; where tokens carry no mark, a space before or in front tells.
        """
        if token_id == self.unknown_id:
            return True
        if self.marks_subwords:
            return len(self._tokenizer.convert_ids_to_tokens(token_id)) == end - start
        return start == 0 or " " in text[start - 1 : start + 1]

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        """The text of token ids; without `special` ones such as the end of the text."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=not special)
        return text
