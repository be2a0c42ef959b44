"""Rows into the bytes of a CSV file: UTF-8, commas, CRLF and RFC 4180 quoting.

In pieces, so that a file of any length fits. Knows nothing of the cells: whoever makes the rows
escapes the texts (see files.escape).
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any


def csv_pieces(
    header: Sequence[str], chunks: Iterable[Iterable[Iterable[Any]]], *, bom: bool
) -> Iterator[bytes]:
    """The file with one piece for each chunk of rows; the header comes with the first piece.

    So an error in reading the first chunk is raised before any byte is sent. `bom` adds the byte
    order mark by which spreadsheets recognize UTF-8.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if bom:
        buffer.write("\ufeff")
    writer.writerow(header)
    for rows in chunks:
        writer.writerows(rows)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    if buffer.tell():
        yield buffer.getvalue().encode()
