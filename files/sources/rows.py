"""The rows of a source: a text, its key and its place, or the problem for which it has none."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from files.decoding import undecoded_byte
from files.tables import excerpt

MAX_KEY_CHARS = 500


class SourceRow(NamedTuple):
    """A row: its place for people, its number over all files from 0, its key and its text.

    Without a key column the key is the place. A row that cannot be read has a `problem`, the start
    of its text as `content`, and the key "" if that is not known.
    """

    place: str
    number: int
    key: str
    text: str
    problem: str = ""
    content: str = ""


class Cells(NamedTuple):
    """The cells of row `number` that are needed, or its `problem`; `raw` is all of its text."""

    number: int
    text: str
    key: str = ""
    problem: str = ""
    raw: str = ""


class Source(ABC):
    """Rows that can be read again and again, in flat memory.

    `kind_name` is the same for sources whose names differ in digits only, as those of last week
    and of this one.
    """

    name: str
    kind_name: str
    text_column: str
    key_column: str  # "" if the key of a row is its place

    def share_read(self) -> float | None:
        """The share of the source that is read so far, 0 to 1; None where that is not known."""
        return None

    @abstractmethod
    def rows(self) -> Iterator[SourceRow]:
        """The rows in their order; raises ReadingError where the source cannot be read on."""


def numbered_rows(
    cells: Iterable[Cells], *, first: int, prefix: str, has_key: bool
) -> Iterator[SourceRow]:
    """The rows of a part of a source, numbered from `first`; `prefix` begins their places."""
    for number, (line, text, key, problem, raw) in enumerate(cells, start=first):
        place = f"{prefix}{line}"
        if not has_key:
            key = place
        elif not problem:
            problem = _key_problem(key)
        if problem:
            key = key if len(key) <= MAX_KEY_CHARS and not undecoded_byte(key) else ""
            yield SourceRow(place, number, key, "", problem, excerpt(raw or text))
        else:
            yield SourceRow(place, number, key, text)


def _key_problem(key: str) -> str:
    if len(key) > MAX_KEY_CHARS:
        return f"its key has {len(key):,} characters, and at most {MAX_KEY_CHARS} are stored"
    return "" if key.strip() else "its key is empty"
