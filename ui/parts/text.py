"""User text on its way to a page: always text, never markdown or HTML. Knows no Streamlit."""

import html as _html
import re

# Characters that the browser or the protocol cannot carry, each with a visible stand-in.
_UNPRINTABLE = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n\r"}
_UNPRINTABLE |= {0x7F: "\u2421"}
_UNPRINTABLE |= dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def printable(text: str) -> str:
    """`text` with lone surrogates and control characters replaced by visible ones."""
    return text.translate(_UNPRINTABLE)


def as_html(text: str) -> str:
    """`text` as HTML that shows it as it is."""
    return _html.escape(printable(text))


def as_markdown(text: str) -> str:
    """`text` as one line of markdown that shows it as it is, for labels that Streamlit parses.

    A word joiner after each colon keeps `:smile:` and `:red[...]` what they are: Streamlit
    replaces those after the escapes are resolved.
    """
    escaped = _PUNCTUATION.sub(r"\\\1", " ".join(printable(text).split()))
    return escaped.replace("\\:", "\\:\u2060")


def shortened(text: str, *, max_chars: int) -> str:
    """`text` on one line, with an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= max_chars else f"{line[: max_chars - 1].rstrip()}…"


def counted(count: int, noun: str) -> str:
    """A number with its noun, such as "1 row" and "2,000 rows"."""
    return f"{count:,} {noun if count == 1 else f'{noun}s'}"
