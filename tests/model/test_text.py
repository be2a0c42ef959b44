"""Texts that are refused before they are predicted."""

import pytest

from model import InputError
from model.text import check_text


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000", "\u200b\u200b", "\0", "\u202e"])
def test_a_blank_text_gets_a_hint(text: str) -> None:
    with pytest.raises(InputError, match="no text to predict"):
        check_text(text, max_chars=10)


def test_a_long_text_gets_the_limit_and_its_size() -> None:
    check_text("x" * 1000, max_chars=1000)
    for text in ("x" * 1001, " " * 1001):
        with pytest.raises(InputError, match=r"has 1,001 characters and the limit is 1,000\."):
            check_text(text, max_chars=1000)
