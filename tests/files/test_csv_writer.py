"""Rows into pieces of a CSV file."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest

from files.csv_writer import csv_pieces

CELLS: list[list[Any]] = [["a", 'say "hi", ok\r\nbye'], [1, None]]


def test_a_piece_for_each_chunk_and_the_header_in_the_first() -> None:
    pieces = list(csv_pieces(["x", "y"], [CELLS[:1], CELLS[1:]], bom=True))
    assert len(pieces) == 2
    assert pieces[0].startswith(b"\xef\xbb\xbfx,y\r\n")
    rows = list(csv.reader(io.StringIO(b"".join(pieces).decode("utf-8-sig"), newline="")))
    assert rows == [["x", "y"], ["a", 'say "hi", ok\r\nbye'], ["1", ""]]


def test_without_rows_there_is_a_header() -> None:
    assert b"".join(csv_pieces(["x"], [], bom=False)) == b"x\r\n"


def test_an_error_in_the_first_chunk_comes_before_any_byte() -> None:
    def failing() -> Iterator[list[list[str]]]:
        raise ConnectionError
        yield []

    with pytest.raises(ConnectionError):
        next(csv_pieces(["x"], failing(), bom=False))
