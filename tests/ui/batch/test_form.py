"""How a table is described, which column is the text, and which rows cannot be predicted."""

import pytest

from files.reading import read_file
from files.tables import Limits, Table
from ui.batch.form import checked, described, left_out_in_words, text_column

LIMITS = Limits(max_bytes=10**6, max_rows=1000)


def read(text: str, name: str = "a.csv") -> Table:
    return read_file(name, text.encode(), limits=LIMITS)


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("id,text\n1,a\n2,b\n", "a.csv", "CSV, UTF-8, separated by commas, 2 rows."),
        ("id;text\n1;a\n", "a.csv", "CSV, UTF-8, separated by semicolons, 1 row."),
        ("id\ttext\n1\ta\n", "a.tsv", "TSV, UTF-8, separated by tabs, 1 row."),
        ("one\ntwo\n", "a.txt", "text, UTF-8, 2 rows."),
        ('{"text": "a"}\n', "a.jsonl", "JSONL, UTF-8, 1 row."),
    ],
)
def test_a_table_is_described(text: str, name: str, expected: str) -> None:
    assert described(read(text, name)) == expected


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("id,Review ,url", "1,good,https://a.very.long/address", 1),
        ("text,review", "a,a longer text", 0),
        ("a,b,c", "1,the longest cell of all,2", 1),
    ],
)
def test_the_text_column_is_found(header: str, row: str, expected: int) -> None:
    assert text_column(read(f"{header}\n{row}\n")) == expected


def test_rows_that_cannot_be_predicted_say_why_and_stay_in_order() -> None:
    table = read('id,text\n1,fine\n2, \n3,"open\n4,too long a text\n5,\u200b\n\n,\n')
    rows = checked(table, 1, max_chars=10)
    assert [row.number for row in rows] == [2, 3, 4, 5, 6]
    problems = [row.problem for row in rows]
    assert problems[0] == ""
    assert problems[1] == "There is no text in this row."
    assert "quote" in problems[2]
    assert "15 characters and the limit is 10" in problems[3]
    assert problems[4]
    words = left_out_in_words([row for row in rows if row.problem], table.empty_rows)
    assert words.startswith("2 empty rows are left out. 4 rows cannot be predicted")
    assert "the first is row 3: There is no text in this row." in words


def test_nothing_left_out_says_nothing() -> None:
    assert left_out_in_words([], 0) == ""
    assert left_out_in_words([], 1) == "1 empty row is left out."
