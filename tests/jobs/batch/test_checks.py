"""Rows with one key: of a source that gives its rows in another order when it is read again."""

from collections.abc import Iterator

from files.sources import Source, SourceRow
from jobs.batch.checks import ReadCounts, checked_groups
from jobs.batch.plan import Plan


class Shuffled(Source):
    """Rows whose order changes with each reading, as those of a query without ORDER BY."""

    name = kind_name = text_column = key_column = "shuffled"

    def __init__(self, keys: list[str]) -> None:
        self._keys = keys
        self._readings = 0

    def rows(self) -> Iterator[SourceRow]:
        self._readings += 1
        keys = self._keys[:: -1 if self._readings > 1 else 1]
        for number, key in enumerate(keys):
            yield SourceRow(str(number + 1), number, key, f"text {number}")


def test_each_key_has_a_row_whatever_the_order_of_the_second_reading() -> None:
    source = Shuffled([*(f"k{n}" for n in range(5000)), "k7", "k7", "k4000"])
    counts = ReadCounts()
    groups = list(checked_groups(source, Plan(on_duplicate="last"), max_chars=100, counts=counts))
    rows = [row for group in groups for row in group]
    assert sorted(row.key for row in rows) == sorted(f"k{n}" for n in range(5000))
    assert (counts.rows, counts.duplicates) == (5003, 3)
    # The last in this reading: the others of these keys came before it.
    numbers = {row.key: row.number for row in rows}
    assert (numbers["k7"], numbers["k4000"]) == (5002 - 7, 5002 - 4000)
