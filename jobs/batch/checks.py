"""Rows of a source with the problems that are known before they are predicted.

Knows no model and no log: it asks for a text of a length that is taken, and for one row a key.
"""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from files.sources import Source, SourceRow
from jobs.batch.groups import grouped
from jobs.batch.plan import Plan
from model import InputError
from model.text import check_text

GROUP_ROWS = 2000
NO_TEXT = "There is no text in this row."
CACHE_KIB = 32_000  # of the keys that were seen; the rest is on disk
Check = Callable[[SourceRow], SourceRow]


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
                distinct = keys.distinct(group, partial(_checked, max_chars=max_chars), counts)
                counts.problems += sum(1 for row in distinct if row.problem)
                if distinct:
                    yield distinct
        except sqlite3.Error as error:
            raise OSError(f"the keys cannot be remembered on disk ({error})") from error
        finally:
            keys.close()


def _rows(source: Source, plan: Plan) -> Iterator[SourceRow]:
    return islice(source.rows(), plan.limit)


def _checked(row: SourceRow, *, max_chars: int) -> SourceRow:
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

    def distinct(
        self, rows: Sequence[SourceRow], check: Check, counts: ReadCounts
    ) -> list[SourceRow]:
        return list(map(check, rows))

    def close(self) -> None:
        pass


class _Keys:
    """The keys that were seen, with a value of each, in a file: there may be millions."""

    VALUE = "BLOB"

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(
            f"CREATE TABLE seen (key BLOB PRIMARY KEY, value {self.VALUE}) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._database.close()

    def _note(self, values: Mapping[str, Any]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR REPLACE INTO seen VALUES (?, ?)",
            ((_bytes(key), value) for key, value in values.items()),
        )
        self._database.execute("COMMIT")

    def _seen(self, rows: Sequence[SourceRow]) -> dict[str, Any]:
        """The value of each key of `rows` that was seen."""
        values: dict[str, Any] = {}
        for some in grouped({row.key for row in rows}, 900):
            marks = ",".join("?" * len(some))
            query = f"SELECT key, value FROM seen WHERE key IN ({marks})"  # noqa: S608 - marks alone
            for key, value in self._database.execute(query, list(map(_bytes, some))):
                values[_text(key)] = value
        return values


class _FirstKeys(_Keys):
    """Refuses a row whose key an earlier row has; the value of a key is the place of that row."""

    def distinct(
        self, rows: Sequence[SourceRow], check: Check, counts: ReadCounts
    ) -> list[SourceRow]:
        places = {key: _text(place) for key, place in self._seen(rows).items()}
        new: dict[str, bytes] = {}
        checked: list[SourceRow] = []
        for row in map(check, rows):
            if row.problem:
                checked.append(row)
            elif row.key in places:
                counts.duplicates += 1
                problem = f"The key {row.key[:80]!r} is that of row {places[row.key]}, too."
                checked.append(row._replace(problem=problem))
            else:
                places[row.key] = row.place
                new[row.key] = _bytes(row.place)
                checked.append(row)
        self._note(new)
        return checked


class _LastKeys(_Keys):
    """Leaves out a row whose key a later row has; the value of a key is its number of rows left.

    Numbers of rows, and not their places: a query without ORDER BY may give its rows in another
    order when it is read again.
    """

    VALUE = "INTEGER"

    def read(self, rows: Iterable[SourceRow]) -> None:
        """Reads all rows once, and counts those of each key."""
        for group in grouped((row for row in rows if not row.problem), GROUP_ROWS):
            seen = self._seen(group)
            here = Counter(row.key for row in group)
            self._note({key: seen.get(key, 0) + number for key, number in here.items()})

    def distinct(
        self, rows: Sequence[SourceRow], check: Check, counts: ReadCounts
    ) -> list[SourceRow]:
        left = self._seen(rows)
        last: list[SourceRow] = []
        fewer: dict[str, int] = {}
        for row in rows:
            if row.problem or left.get(row.key, 1) < 2:
                last.append(check(row))
            else:
                left[row.key] -= 1
                fewer[row.key] = left[row.key]
        self._note(fewer)
        counts.duplicates += len(rows) - len(last)
        return last


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
