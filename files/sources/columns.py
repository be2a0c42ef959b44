"""The columns that are read from a source, by the names that people gave."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from files.errors import ReadingError

_SHOWN_NAMES, _SHOWN_CHARS = 20, 40
_LIKENESS = 0.6


@dataclass(frozen=True, slots=True)
class Wanted:
    """The names of the column of texts and of that of keys; "" for no column of keys."""

    text: str
    key: str = ""

    @property
    def names(self) -> list[str]:
        return [self.text, self.key] if self.key else [self.text]

    def are_in(self, names: Sequence[str]) -> bool:
        """True if all columns are among `names`."""
        return all(find_place(wanted, names) is not None for wanted in self.names)

    def places(self, names: Sequence[str]) -> tuple[int, int]:
        """The places of the columns in `names`, the second -1 without a column of keys.

        Raises ReadingError if a column is not there, with those that are.
        """
        text, *key = [place_of(wanted, names) for wanted in self.names]
        return text, key[0] if key else -1


def place_of(wanted: str, names: Sequence[str]) -> int:
    """The place that `find_place` gives; raises ReadingError if there is none."""
    place = find_place(wanted, names)
    if place is None:
        raise ReadingError(missing(wanted, names))
    return place


def find_place(wanted: str, names: Sequence[str]) -> int | None:
    """The place of a column by its exact name, else by the only one that is alike but for case."""
    places = [n for n, name in enumerate(names) if name == wanted]
    if not places:
        folded = _folded(wanted)
        places = [n for n, name in enumerate(names) if _folded(name) == folded]
    return places[0] if len(places) == 1 else None


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def missing(wanted: str, names: Sequence[str]) -> str:
    """The sentence for a column that is not there, or there several times."""
    alike = [name for name in names if _folded(name) == _folded(wanted)]
    if len(alike) > 1:
        listed = ", ".join(map(_shown, alike[:_SHOWN_NAMES]))
        return f"The column {_shown(wanted)} could be any of {listed}. Rename the others."
    if not names:
        return f"There is no column {_shown(wanted)}, and no other either."
    listed = ", ".join(map(_shown, names[:_SHOWN_NAMES]))
    more = f" and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else ""
    folded = {_folded(name): name for name in names}
    near = difflib.get_close_matches(_folded(wanted), folded, n=1, cutoff=_LIKENESS)
    hint = f" Did you mean {_shown(folded[near[0]])}?" if near else " Name one of them."
    return f"There is no column {_shown(wanted)}, only {listed}{more}.{hint}"


def _shown(name: str) -> str:
    """A name in quotes, shortened."""
    short = name if len(name) <= _SHOWN_CHARS else f"{name[: _SHOWN_CHARS - 1]}…"
    return f'"{" ".join(short.encode("utf-8", "replace").decode().split())}"'
