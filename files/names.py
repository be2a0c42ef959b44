"""Names that must differ from each other: columns of a file, options of a widget."""

from collections.abc import Iterable


def numbered(names: Iterable[str]) -> list[str]:
    """The names in their order; a repeated name gets the next free number: "a (2)"."""
    taken: dict[str, None] = {}
    for name in names:
        free, number = name, 2
        while free in taken:
            free, number = f"{name} ({number})", number + 1
        taken[free] = None
    return list(taken)
