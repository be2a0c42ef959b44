"""Reversible escapes: any Python string into what databases, CSV and spreadsheets can hold.

`storable` serves databases and files: PostgreSQL has no NUL in a text, UTF-8 no lone surrogate.
`guarded` serves spreadsheets: a cell that starts like a formula would be run
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

import re

MARK = "\x10"  # DLE, "data link escape", which no keyboard types
_UNSTORABLE = re.compile(f"[{MARK}\0\ud800-\udfff]")
_STORED = re.compile(f"{MARK}([0-9a-f]{{4}})")

# A quote may come before, so that guarding is reversible for a text that is already guarded.
_FORMULA = re.compile(
    r"'*(?:[\t\r]|\s*[=+\-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
    r"\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}])"
)


def storable(text: str) -> str:
    """`text` with NUL, lone surrogates and the mark itself as the mark and four hex digits."""
    return _UNSTORABLE.sub(lambda match: f"{MARK}{ord(match[0]):04x}", text)


def unstorable(text: str) -> str:
    """The text from which `storable` made `text`."""
    return _STORED.sub(lambda match: chr(int(match[1], 16)), text)


def joined(text: str) -> str:
    """`text` as JSON gives it back: two surrogates that are a pair become one character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def guarded(cell: str) -> str:
    """`cell` with a leading quote if a spreadsheet could take it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell from which `guarded` made `cell`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def spreadsheet_cell(text: str) -> str:
    """Any text as a cell of a CSV file for spreadsheets: storable and guarded."""
    return guarded(storable(text))
