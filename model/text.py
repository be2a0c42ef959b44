"""Checks of texts, and of two versions of a text. Knows no task and no tokenizer."""

import re
import unicodedata

from model.errors import InputError

BLANK = {"Cc", "Cf", "Zl", "Zp", "Zs"}  # Unicode general categories
_WORD = re.compile(r"\w+")


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


def are_aligned(text: str, changed: str) -> bool:
    """True if a character of `changed` stands for that at the same place in `text`.

    Both have the same length, and the words of `changed` are at the places of words of `text`. The
    length alone can be the same by chance, as if one name became longer and another shorter.
    """
    if len(changed) != len(text):
        return False
    bounds = {match.span() for match in _WORD.finditer(text)}
    words = (match.span() for match in _WORD.finditer(changed))
    return all(
        (start, end) in bounds or changed[start:end] == text[start:end] for start, end in words
    )
