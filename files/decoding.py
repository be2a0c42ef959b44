"""The text of a file from its bytes; knows nothing of tables.

A file is UTF-8 unless a byte order mark or the bytes themselves say otherwise. A byte that does not
fit becomes a lone surrogate (https://peps.python.org/pep-0383), so that its row can be named later.
"""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from charset_normalizer import from_bytes

from files.errors import ReadingError

_MARKS = {  # UTF-32's begins like UTF-16's, so it is looked for first
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
MARKED = ("UTF-16", "UTF-32")  # encodings that only a mark tells
_WESTERN = "cp1252"
_LATIN = (_WESTERN, "cp1250", "cp1254")
# The same letter in all of them, or no letter in Windows-1252.
_ALIKE = {
    byte
    for byte in range(0x80, 0x100)
    if (letter := bytes([byte]).decode(_WESTERN, "replace")) in "ÁÂÄÇÉËÍÎÓÔÖÚÜßáâäçéëíîóôöúü"
    or not letter.isalpha()
}
_BETWEEN_LETTERS = "’‘–—…\xad·"  # as in “don’t”
_CLEARLY = 0.1
_UNLIKELY = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7"]
_NULS_WITHIN = 8000  # a NUL there makes a file binary, as for git
_SAMPLE_BYTES, _SAMPLE_RUNS = 64 * 1024, 10_000
_NOT_ASCII = re.compile(rb"[\x80-\xff]+[\x00-\x7f]{0,200}")  # with some text after it
NO_ENCODING = "The file is neither UTF-8 nor in an encoding that can be guessed. Save it as UTF-8."
_UNDECODED = re.compile("[\udc80-\udcff]")
_UNDECODED_RUN = re.compile("[\udc80-\udcff]+")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text and its encoding; `undecoded` if it holds bytes that do not fit."""

    text: str
    encoding: str
    undecoded: bool = False


def decode(data: bytes) -> Decoded:
    """The text of `data`, without a byte order mark; raises ReadingError if it is binary."""
    encoding, mark_bytes = encoding_of(data)
    if encoding in MARKED:
        return _decode_marked(data, encoding)
    try:
        text = data[mark_bytes:].decode(encoding, "surrogateescape")
    except UnicodeDecodeError as error:
        raise ReadingError(NO_ENCODING) from error
    return Decoded(text, encoding, undecoded=not _encodable(text))


def encoding_of(data: bytes) -> tuple[str, int]:
    """The encoding of a text that begins with `data`, and the length of its mark in bytes.

    A text in an encoding of MARKED has its mark decoded with it. Raises ReadingError if the data
    is binary.
    """
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    if mark and _MARKS[mark] in MARKED:
        return _MARKS[mark], len(mark)
    if b"\0" in data[:_NULS_WITHIN]:
        raise not_a_table("binary")
    data = data.removeprefix(mark)
    text = data.decode("utf-8", "surrogateescape")
    bad_bytes = 0 if _encodable(text) else len(_UNDECODED.findall(text))
    multibyte = _multibyte(data, text, bad_bytes) if bad_bytes else 0
    latin = _latin_page(data, text) if bad_bytes else ""
    # In a file of another encoding, sequences that happen to be valid UTF-8 are rarer than invalid
    # ones.
    if not bad_bytes or mark or multibyte > bad_bytes or (latin and multibyte):
        return "UTF-8", len(mark)
    return latin or _guess(data), 0


def undecoded_byte(text: str) -> str:
    """The first byte of `text` that was not decoded, as 0xE9, or ""."""
    match = _UNDECODED.search(text)
    return f"0x{ord(match[0]) - 0xDC00:02X}" if match else ""


def not_a_table(seems: str) -> ReadingError:
    """The error for a file that `seems` to be something else, such as "a PDF"."""
    return ReadingError(
        f"The file seems to be {seems}, not a table or a text. "
        "Save it as CSV, or as XLSX without a password, and use that."
    )


def _decode_marked(data: bytes, encoding: str) -> Decoded:
    try:
        return Decoded(data.decode(encoding), encoding)
    except UnicodeDecodeError as error:
        raise damaged_at(error.start, encoding) from error


def damaged_at(place: int, encoding: str) -> ReadingError:
    """The error for a marked file whose byte `place`, from 0, is not in its encoding."""
    return ReadingError(
        f"The file begins as {encoding}, but byte {place + 1:,} is not. Save it as UTF-8."
    )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _multibyte(data: bytes, text: str, bad_bytes: int) -> int:
    """The number of characters that have two bytes or more."""
    ascii_bytes = len(data.translate(None, bytes(range(128, 256))))
    return len(text) - ascii_bytes - bad_bytes


def _latin_page(data: bytes, text: str) -> str:
    """The code page of the bytes that were not decoded if they are of a Latin script, else "".

    In a Latin script they stand alone or in twos among ASCII letters, in other scripts in long
    runs. The page is Windows-1252, the most frequent, unless that has symbols within words, or
    another page fits the language clearly better.
    """
    matches = islice(_UNDECODED_RUN.finditer(text), _SAMPLE_RUNS)
    places = (match.span() for match in matches)
    runs = [(text[a - 1 : a], text[a:b], text[b : b + 1]) for a, b in places]
    alone = sum(len(run) for _, run, _ in runs if len(run) <= 2)
    if alone < 0.6 * sum(len(run) for _, run, _ in runs):
        return ""
    page = next((page for page in _LATIN if _fits(runs, page)), "")
    if page != _WESTERN or all(byte in _ALIKE for _, run, _ in runs for byte in _bytes(run)):
        return page
    guesses = from_bytes(_sample(data), cp_isolation=list(_LATIN))
    western = [guess.coherence for guess in guesses if _WESTERN in guess.could_be_from_charset]
    others = [guess for guess in guesses if _WESTERN not in guess.could_be_from_charset]
    best = max(others, key=lambda guess: guess.coherence, default=None)
    if best and (not western or best.coherence > max(western) + _CLEARLY):
        return best.encoding
    return _WESTERN


def _fits(runs: Sequence[tuple[str, str, str]], page: str) -> bool:
    """True if nearly all bytes within words are letters, or marks that stand between letters."""
    odd = 0
    for before, run, after in runs:
        around = before + _bytes(run).decode(page, "replace") + after
        threes = zip(around, around[1:], around[2:], strict=False)
        within = [middle for a, middle, c in threes if a.isalpha() and c.isalpha()]
        odd += any(c == "ƒ" or not (c.isalpha() or c in _BETWEEN_LETTERS) for c in within)
    return odd <= 0.1 * len(runs)


def _bytes(run: str) -> bytes:
    return run.encode("utf-8", "surrogateescape")


def _guess(data: bytes) -> str:
    """The encoding that fits the first pieces that are not ASCII."""
    best = from_bytes(_sample(data), cp_exclusion=_UNLIKELY).best()
    if best is None:
        raise ReadingError(NO_ENCODING)
    return best.encoding


def _sample(data: bytes) -> bytes:
    sample = bytearray()
    for match in _NOT_ASCII.finditer(data):
        sample += match[0]
        if len(sample) > _SAMPLE_BYTES:
            break
    return bytes(sample)
