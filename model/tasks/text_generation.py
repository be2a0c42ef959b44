"""Text generation: prompts, and the parameters of the text that follows them."""

import json
from collections.abc import Mapping
from typing import Any, cast

from model.errors import InputError
from model.info import Example, Param
from model.tasks.base import Config, Task
from model.tokenizer import Message, Tokenizer, TokenRow, TransformersTokenizer


class TextGeneration(Task):
    """Text that continues the input, or answers it where the tokenizer has a chat template."""

    name = "text-generation"
    architectures = ("ForCausalLM", "LMHeadModel")
    auto_model = "AutoModelForCausalLM"
    intro = "Write the beginning of a text and see how the model continues it."

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
                hint="The same seed gives the same text; 0 draws a new seed each time.",
            ),
        )
        self.examples = (Example("Once upon a time"), Example("The three laws of robotics are"))
        if tokenizer.has_chat_template:
            self.intro = "Write a message and read the model's answer."
            self.params += (
                Param(
                    name="chat",
                    title="As a message",
                    default=True,
                    hint="Off, the model continues the text instead of answering it.",
                ),
                Param(
                    name="messages",
                    title="As a conversation",
                    default=False,
                    hint="The text is a JSON list of messages, each with its role and content.",
                ),
            )
            self.examples = (
                Example("Explain in two sentences why the sky is blue."),
                Example("Name three uses of a brick."),
            )

    def prompt(self, text: str, params: Mapping[str, Any], *, max_tokens: int) -> TokenRow:
        """The row of a prompt, which leaves room for the new tokens within `max_tokens`.

        A longer text loses its beginning, as with the pipeline's handle_long_generation="hole".
        Raises InputError for a blank text, for messages that are none, and for a message that is
        too long, which makes no sense without its beginning.
        """
        row = self._row(text, params)
        if not row:
            raise InputError("There is no text to continue. Type or paste some.")
        room = max_tokens - params["max_new_tokens"]
        if len(row) <= room:
            return row
        if params.get("chat"):
            raise InputError(
                f"The message has {len(row):,} tokens and the model takes {max_tokens:,}, the "
                f"{params['max_new_tokens']:,} new ones included. Shorten it, or ask for fewer."
            )
        return TokenRow({"input_ids": row.ids[-room:]}, truncated=True)

    def _row(self, text: str, params: Mapping[str, Any]) -> TokenRow:
        tokenizer = cast(TransformersTokenizer, self.tokenizer)
        if not params.get("messages"):
            return tokenizer.answer([user(text)]) if params.get("chat") else tokenizer.prompt(text)
        if not params.get("chat"):
            raise InputError("messages is true and chat is false; a conversation needs both.")
        return tokenizer.answer(conversation(text))


def user(text: str) -> Message:
    """The message of a user."""
    return {"role": "user", "content": text}


def conversation(text: str) -> list[Message]:
    """The messages of a text that is their JSON; raises InputError for any other text."""
    try:
        messages = json.loads(text)
    except (ValueError, RecursionError):
        messages = None
    if not isinstance(messages, list) or not messages or not all(map(_is_message, messages)):
        raise InputError(
            f"The text {text[:40]!r} is not a JSON list of messages, each an object with role and "
            "content, which are texts. Correct it, or set messages to false."
        )
    return messages


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"role", "content"}
        and all(isinstance(text, str) for text in value.values())
    )
