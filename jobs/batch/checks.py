"""Rows of a source with the problems that are known before they are predicted.

Knows no model and no log: it asks for a text of a length that is taken, and for one row a key.
"""

import sqlite3
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from files.sources import Source, SourceRow
from jobs.batch.groups import grouped
from jobs.batch.plan import Plan
from model import InputError
from model.text import check_text

GROUP_ROWS = 2000
NO_TEXT = "There is no text in this row."
CACHE_KIB = 32_000  # of the keys that were seen; the rest is on disk


@dataclass(slots=True)
class ReadCounts:
    """The rows that were read so far: all of them, those with a problem, those with a seen key."""

    rows: int = 0
    problems: int = 0
    duplicates: int = 0


def checked_groups(
    source: Source, plan: Plan, *, max_chars: int, counts: ReadCounts
) -> Iterator[list[SourceRow]]:
    """The rows of a source in groups, each row with its problem; counts them in `counts`.

    A row whose key another row has is refused or, by the plan, left out for the last of them.
    Raises ReadingError as the source does, OSError if there is no space to remember the keys.
    """
    with tempfile.TemporaryDirectory(prefix="tryout-keys-") as folder:
        keys = _keys(source, plan, Path(folder, "keys.db"))
        try:
            for group in grouped(_rows(source, plan), GROUP_ROWS):
                counts.rows += len(group)
                kept = keys.distinct([_checked(row, max_chars) for row in group], counts)
                counts.problems += sum(1 for row in kept if row.problem)
                if kept:
                    yield kept
        except sqlite3.Error as error:
            raise OSError(f"the keys cannot be remembered on disk ({error})") from error
        finally:
            keys.close()


def _rows(source: Source, plan: Plan) -> Iterator[SourceRow]:
    return islice(source.rows(), plan.limit)


def _checked(row: SourceRow, max_chars: int) -> SourceRow:
    if row.problem:
        return row
    if not row.text.strip():
        return row._replace(problem=NO_TEXT)
    try:
        check_text(row.text, max_chars=max_chars)
    except InputError as error:
        return row._replace(problem=str(error))
    return row


class _AnyKeys:
    """The keys of a source whose rows are named by their places: each is another."""

    def distinct(self, rows: Sequence[SourceRow], counts: ReadCounts) -> list[SourceRow]:
        return list(rows)

    def close(self) -> None:
        pass


class _Keys:
    """The keys that were seen, with the row of each, in a file: there may be millions."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(
            "CREATE TABLE seen (key BLOB PRIMARY KEY, number INTEGER, place BLOB) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._database.close()

    def _note(self, rows: Iterable[SourceRow]) -> None:
        values = ((_bytes(row.key), row.number, _bytes(row.place)) for row in rows)
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", values)
        self._database.execute("COMMIT")

    def _seen(self, rows: Sequence[SourceRow]) -> dict[str, tuple[int, str]]:
        """The number and the place of the row that has each key, of the keys of `rows`."""
        found: dict[str, tuple[int, str]] = {}
        for some in grouped({row.key for row in rows}, 900):
            marks = ",".join("?" * len(some))
            query = f"SELECT key, number, place FROM seen WHERE key IN ({marks})"  # noqa: S608 - marks alone
            for key, number, place in self._database.execute(query, list(map(_bytes, some))):
                found[_text(key)] = (number, _text(place))
        return found


class _FirstKeys(_Keys):
    """Refuses a row whose key an earlier row has."""

    def distinct(self, rows: Sequence[SourceRow], counts: ReadCounts) -> list[SourceRow]:
        places = {key: place for key, (_, place) in self._seen(rows).items()}
        new: list[SourceRow] = []
        checked: list[SourceRow] = []
        for row in rows:
            if row.problem:
                checked.append(row)
            elif row.key in places:
                counts.duplicates += 1
                problem = f"The key {row.key[:80]!r} is that of row {places[row.key]}, too."
                checked.append(row._replace(problem=problem))
            else:
                places[row.key] = row.place
                new.append(row)
                checked.append(row)
        self._note(new)
        return checked


class _LastKeys(_Keys):
    """Leaves out a row whose key a later row has."""

    def read(self, rows: Iterable[SourceRow]) -> None:
        """Reads all rows once, for the last of each key."""
        for group in grouped((row for row in rows if not row.problem), GROUP_ROWS):
            self._note(group)

    def distinct(self, rows: Sequence[SourceRow], counts: ReadCounts) -> list[SourceRow]:
        last = {key: number for key, (number, _) in self._seen(rows).items()}
        kept = [row for row in rows if row.problem or last.get(row.key) == row.number]
        counts.duplicates += len(rows) - len(kept)
        return kept


def _keys(source: Source, plan: Plan, file: Path) -> _AnyKeys | _FirstKeys | _LastKeys:
    if not source.key_column:
        return _AnyKeys()
    if plan.on_duplicate == "refuse":
        return _FirstKeys(file)
    keys = _LastKeys(file)
    keys.read(_rows(source, plan))
    return keys


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def counted(groups: Iterable[Sequence[SourceRow]]) -> None:
    """Reads all groups, for their counts alone."""
    deque(groups, maxlen=0)
