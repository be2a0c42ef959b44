"""Text generation: prompts, and the parameters of the text that follows them."""

from collections.abc import Mapping
from typing import Any, cast

from model.errors import InputError
from model.info import Example, Param
from model.tasks.base import Config, Task
from model.tokenizer import Tokenizer, TokenRow, TransformersTokenizer


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
            )
            self.examples = (
                Example("Explain in two sentences why the sky is blue."),
                Example("Name three uses of a brick."),
            )

    def prompt(self, text: str, params: Mapping[str, Any], *, max_tokens: int) -> TokenRow:
        """The row of a prompt, which leaves room for the new tokens within `max_tokens`.

        A longer text loses its beginning, as with the pipeline's handle_long_generation="hole".
        Raises InputError for a blank text, and for a message that is too long, which makes no
        sense without its beginning.
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
        return TokenRow({"input_ids": row.ids[-room:]}, truncated=True)
