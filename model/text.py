"""Checks of texts before they are predicted. Knows no task and no tokenizer."""

import unicodedata

from model.errors import InputError

BLANK = {"Cc", "Cf", "Zl", "Zp", "Zs"}  # Unicode general categories


def check_text(text: str, *, max_chars: int) -> None:
    """Raises InputError if `text` is blank or longer than `max_chars` characters.

    A text of control and format characters, such as zero-width spaces, is blank too.
    """
    if len(text) > max_chars:  # first: to look at each character of a long text takes time
        raise InputError(
            f"The text has {len(text):,} characters and the limit is {max_chars:,}. "
            "Shorten it, or split it and predict the parts."
        )
    if all(unicodedata.category(character) in BLANK for character in text):
        raise InputError("There is no text to predict. Type or paste some.")
