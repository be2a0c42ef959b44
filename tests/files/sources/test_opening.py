"""Sources of files: their formats, their columns and keys, and what is wrong with them."""

import datetime as dt
import decimal
import errno
import gzip
import io
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from files.errors import ReadingError
from files.sources import SourceRow, open_source, opening, places

deadline_free = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
CSV = "id,text\n1,Good\n2,Bad\n"
ROWS = [("2", "1", "Good"), ("3", "2", "Bad")]


def rows_of(*paths: Path | str, text: str = "text", key: str = "") -> list[SourceRow]:
    return list(open_source([str(p) for p in paths], text_column=text, key_column=key).rows())


def short(rows: list[SourceRow]) -> list[tuple[str, str, str]]:
    return [(row.place, row.key, row.text) for row in rows]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def xlsx(*rows: list[Any]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


# Formats


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "first"),
    [
        ("a.csv", CSV, 2),
        ("a.csv", CSV.replace(",", ";"), 2),
        ("a.csv", "sep=|\n" + CSV.replace(",", "|"), 3),
        ("a.tsv", CSV.replace(",", "\t"), 2),
        ("a", CSV, 2),
        ("a.csv", "\ufeff" + CSV, 2),
        ("a.csv", CSV.encode("utf-16"), 2),
        ("a.csv", CSV.replace("\n", "\r"), 2),
        ("a.csv", CSV.replace("\n", "\r\n"), 2),
        ("a.jsonl", '{"id": 1, "text": "Good"}\n{"text": "Bad", "id": 2}', 1),
        ("a.ndjson", '{"id": 1, "text": "Good"}\n{"text": "Bad", "id": 2}', 1),
        ("a", '{"id": 1, "text": "Good"}\n{"text": "Bad", "id": 2}', 1),
        ("a.txt", '{"id": 1, "text": "Good"}\n{"text": "Bad", "id": 2}', 1),
        ("a.json", '[{"id": "1", "text": "Good"},\n\n{"text": "Bad", "id": 2}]', 1),
    ],
)
def test_text_formats(
    tmp_path: Path, name: str, content: str | bytes, first: int, packed: bool
) -> None:
    data = content.encode() if isinstance(content, str) else content
    path = written(
        tmp_path / (f"{name}.gz" if packed else name), gzip.compress(data) if packed else data
    )
    expected = [(str(first), "1", "Good"), (str(first + 1), "2", "Bad")]
    assert short(rows_of(path, key="id")) == expected


def test_a_text_file_is_one_text_a_line(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "text\n\nGood, really\n")
    assert short(rows_of(path)) == [("1", "1", "text"), ("3", "3", "Good, really")]


def test_a_workbook(tmp_path: Path) -> None:
    path = written(tmp_path / "a.xlsx", xlsx(["id", "text"], [1, "Good"], [], [2.5, "Bad"]))
    assert short(rows_of(path, key="id")) == [("2", "1", "Good"), ("4", "2.5", "Bad")]


def test_the_content_goes_before_the_name(tmp_path: Path) -> None:
    assert (
        short(rows_of(written(tmp_path / "a.csv", gzip.compress(CSV.encode())), key="id")) == ROWS
    )
    moved = parquet(tmp_path / "b.parquet", {"text": ["Good"]}).rename(tmp_path / "b.csv")
    assert short(rows_of(moved)) == [("1", "1", "Good")]
    book = written(tmp_path / "c.csv", xlsx(["id", "text"], [1, "Good"]))
    assert short(rows_of(book)) == [("2", "2", "Good")]


def test_values_of_parquet_are_texts_as_those_of_json_and_workbooks(tmp_path: Path) -> None:
    moment = dt.datetime(2026, 1, 31, 12, 30)
    columns = {
        "text": pa.array(["é😀", None]),
        "int": pa.array([2**60, -1]),
        "float": pa.array([0.5, float("nan")]),
        "bool": pa.array([True, None]),
        "day": pa.array([dt.date(2026, 1, 31), None]),
        "moment": pa.array([moment, dt.datetime(2026, 1, 31)]),
        "zoned": pa.array([moment, None], pa.timestamp("us", "UTC")),
        "beyond": pa.array([10**12, 0], pa.timestamp("s")),  # a year that Python does not have
        "list": pa.array([["é", "b"], []]),
        "struct": pa.array([{"a": 1, "b": dt.date(2026, 1, 31)}, None]),
        "decimal": pa.array([decimal.Decimal("1.10"), None]),
        "bytes": pa.array(["é".encode(), None]),
        "word": pa.array(["Good", "Bad"]).dictionary_encode(),
        "a.b": pa.array(["dotted", None]),
    }
    path = parquet(tmp_path / "a.parquet", columns)
    texts = {name: [row.text for row in rows_of(path, text=name)] for name in columns}
    assert texts == {
        "text": ["é😀", ""],
        "int": ["1152921504606846976", "-1"],
        "float": ["0.5", ""],
        "bool": ["true", ""],
        "day": ["2026-01-31", ""],
        "moment": ["2026-01-31 12:30:00", "2026-01-31"],
        "zoned": ["2026-01-31 12:30:00+00:00", ""],
        "beyond": ["", "1970-01-01"],
        "list": ['["é", "b"]', "[]"],
        "struct": ['{"a": 1, "b": "2026-01-31"}', ""],
        "decimal": ["1.10", ""],
        "bytes": ["é", ""],
        "word": ["Good", "Bad"],
        "a.b": ["dotted", ""],
    }


def test_a_byte_that_is_not_utf_8_makes_one_row_of_parquet_bad(tmp_path: Path) -> None:
    latin = pa.array([b"caf\xe9", "café".encode()], pa.binary())
    wrong = pa.Array.from_buffers(pa.string(), 2, latin.buffers())
    for column in (latin, wrong):
        first, second = rows_of(parquet(tmp_path / "a.parquet", {"text": column}))
        assert (first.problem, first.content) == ("the byte 0xE9 is not UTF-8", "caf\ufffd")
        assert (second.text, second.problem) == ("café", "")


# Columns


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx"])
def test_a_column_is_named_exactly_or_without_regard_to_case(tmp_path: Path, suffix: str) -> None:
    def table(*names: str) -> Path:
        path = tmp_path / f"a.{suffix}"
        cells: dict[str, str] = dict(zip(names, "abc", strict=True))
        if suffix == "parquet":
            return parquet(path, {name: [cell] for name, cell in cells.items()})
        contents: dict[str, str | bytes] = {
            "csv": ",".join(names) + "\n" + ",".join(cells.values()),
            "jsonl": json.dumps(cells),
            "xlsx": xlsx(list(cells), list(cells.values())),
        }
        return written(path, contents[suffix])

    assert rows_of(table("Review", "review", "x"), text="review")[0].text == "b"
    assert rows_of(table("My  Review", "y", "x"), text="my review")[0].text == "a"
    with pytest.raises(ReadingError, match=r'could be any of "Review", "REVIEW"'):
        rows_of(table("Review", "REVIEW", "x"), text="review")
    with pytest.raises(ReadingError) as caught:
        rows_of(table("Review", "y", "x"), text="reviews")
    name = f"a.{suffix}"
    assert str(caught.value) == (
        f'{name}: There is no column "reviews", only "Review", "y", "x". Did you mean "Review"?'
    )


def test_twenty_columns_are_named_at_most(tmp_path: Path) -> None:
    names = [f"name {n} {'x' * 60}" for n in range(30)]
    lines = [",".join(names), ",".join("a" * 30), ",".join("b" * 30)]
    path = written(tmp_path / "a.csv", "\n".join(lines))
    with pytest.raises(ReadingError) as caught:
        rows_of(path, key="key")
    assert str(caught.value).count('"name') == 20
    assert "and 10 more" in str(caught.value)
    assert len(str(caught.value)) < 1200


def test_a_row_with_the_names_that_were_asked_for_is_a_header(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "n1,q2\n7,Good\n")
    assert short(rows_of(path, text="q2", key="n1")) == [("2", "7", "Good")]


def test_a_table_without_a_header_has_numbered_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "1,Good\n2,Bad\n")
    assert short(rows_of(path, text="column 2", key="column 1")) == [
        ("1", "1", "Good"),
        ("2", "2", "Bad"),
    ]


def test_an_object_without_the_text_is_a_row_with_a_problem(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"id": 1}\n{"text": "a", "id": 2}\n{"Text": "b"}\n[1]')
    rows = rows_of(path)
    assert [row.text for row in rows] == ["", "a", "b", ""]
    assert (rows[0].problem, rows[0].content) == ('has no "text"', '{"id": 1}')
    assert rows[3].problem == "is neither a JSON object nor a string"


@pytest.mark.parametrize("count", [1, 999, 1000, 5000])
def test_objects_that_all_lack_the_text_are_a_missing_column(tmp_path: Path, count: int) -> None:
    path = written(tmp_path / "a.jsonl", '{"txt": "a", "id": 1}\n' * count)
    with pytest.raises(ReadingError, match=r'only "txt", "id"\. Did you mean "txt"\?'):
        rows_of(path)


def test_a_text_after_a_thousand_broken_lines_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", "broken\n" * 2500 + '{"text": "a"}\n')
    rows = rows_of(path)
    assert len(rows) == 2501
    assert sum(bool(row.problem) for row in rows) == 2500
    assert rows[-1].text == "a"


def test_all_files_need_the_columns(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", CSV)
    written(tmp_path / "b.csv", CSV.replace("text", "words"))
    with pytest.raises(
        ReadingError, match=r'^b\.csv: There is no column "text", only "id", "words"'
    ):
        open_source([str(tmp_path / "*.csv")], text_column="text")


# Keys and places


def test_the_key_is_the_cell_or_the_place(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.csv", f"id,text\n7,Good\n ,Bad\n{'k' * 501},Fine\n{'k' * 500},So\n"
    )
    rows = rows_of(path, key="id")
    assert [(row.place, row.number) for row in rows] == [("2", 0), ("3", 1), ("4", 2), ("5", 3)]
    assert [row.problem for row in rows] == [
        "",
        "its key is empty",
        "its key has 501 characters, and at most 500 are stored",
        "",
    ]
    assert [row.key for row in rows] == ["7", " ", "", "k" * 500]
    assert [row.key for row in rows_of(path)] == ["2", "3", "4", "5"]


def test_places_in_several_files_name_them(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("b.csv", "a.csv", "x/b.csv"):
        written(tmp_path / name, CSV)
    source = open_source([f"{tmp_path}/?.csv"], text_column="text")
    rows = list(source.rows())
    assert [row.place for row in rows] == ["a.csv:2", "a.csv:3", "b.csv:2", "b.csv:3"]
    assert [row.number for row in rows] == [0, 1, 2, 3]
    assert (source.name, source.kind_name) == ("2 files", "a.csv, b.csv")
    rows = rows_of(f"{tmp_path}/x/b.csv", f"{tmp_path}/?.csv")
    assert [row.place for row in rows][::2] == [
        f"{tmp_path}/x/b.csv:2",
        "a.csv:2",
        f"{tmp_path}/b.csv:2",
    ]


def test_last_weeks_file_is_of_the_same_kind(tmp_path: Path) -> None:
    sources = [
        open_source([str(written(tmp_path / name, CSV))], text_column="text")
        for name in ("reviews-2026-11-28.csv", "reviews-2026-12-5.csv")
    ]
    assert sources[0].name == "reviews-2026-11-28.csv"
    assert {source.kind_name for source in sources} == {"reviews-#-#-#.csv"}


def test_rows_can_be_read_again_and_at_the_same_time(tmp_path: Path) -> None:
    source = open_source([str(written(tmp_path / "a.csv", CSV))], text_column="text")
    pairs = list(zip(source.rows(), source.rows(), strict=True))
    assert len(pairs) == 2
    assert all(one == other for one, other in pairs)


# Standard input


class _Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: CSV.encode(),
        lambda: gzip.compress(CSV.encode()),
        lambda: b'{"text": "Good", "id": 1}\n{"text": "Bad", "id": 2}\n',
        lambda: parquet_bytes({"text": ["Good", "Bad"], "id": [1, 2]}),
        lambda: xlsx(["id", "text"], [1, "Good"], [2, "Bad"]),
    ],
)
def test_standard_input_is_read_by_its_content(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(make()))
    source = open_source(["-"], text_column="text", key_column="id")
    assert (source.name, source.kind_name) == ("standard input", "standard input")
    for _ in range(2):
        assert [(row.key, row.text) for row in source.rows()] == [("1", "Good"), ("2", "Bad")]
    pairs = list(zip(source.rows(), source.rows(), strict=True))
    assert all(one == other for one, other in pairs)


def parquet_bytes(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_a_pipe_can_be_read_again(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(CSV,))
    writer.start()
    source = open_source([str(pipe)], text_column="text", key_column="id")
    writer.join()
    assert short(list(source.rows())) == short(list(source.rows())) == ROWS


def test_a_full_disk_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sys, "stdin", _Stdin(CSV.encode()))
    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(ReadingError, match=r"Standard input cannot be copied to .*No space left"):
        open_source(["-"], text_column="text")


# What is wrong


def test_what_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", CSV)
    (tmp_path / "link.csv").symlink_to(path)
    for named, reason in (
        ([], "No file is named"),
        ([f"{tmp_path}/*.tsv"], r"No file matches .*\*\.tsv"),
        ([f"{tmp_path}/b.csv"], r"There is no file b\.csv"),
        ([str(tmp_path)], "is a folder. Name its files"),
        ([str(path), f"{tmp_path}/a.*"], r"a\.csv is named twice"),
        ([str(path), f"{tmp_path}/link.csv"], r"a\.csv is named twice"),
        (["-", "-"], "- is named twice"),
        (["a\0b"], "cannot be read"),
    ):
        with pytest.raises(ReadingError, match=reason):
            open_source(named, text_column="text")


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path: Path) -> None:
    assert short(rows_of(written(tmp_path / "a[1].csv", CSV), key="id")) == ROWS


def test_a_file_that_may_not_be_read_or_is_gone_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.csv", CSV)
    source = open_source([str(path)], text_column="text")
    path.unlink()
    with pytest.raises(ReadingError, match=r"^There is no file a\.csv"):
        list(source.rows())

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    written(path, CSV)
    monkeypatch.setattr(places, "open", refuse, raising=False)  # root may read any file
    with pytest.raises(ReadingError, match=r"^a\.csv may not be read by this user"):
        list(source.rows())


def test_empty_files_have_no_rows(tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl", "a.txt", "a.json", "a"):
        for content in ("", "\n \n", "\ufeff"):
            assert rows_of(written(tmp_path / name, content)) == []
    assert rows_of(written(tmp_path / "a.csv", "id,text\n")) == []
    assert rows_of(written(tmp_path / "a.csv.gz", gzip.compress(b""))) == []
    assert rows_of(parquet(tmp_path / "a.parquet", {"text": pa.array([], pa.string())})) == []
    assert rows_of(written(tmp_path / "a.xlsx", xlsx())) == []


@pytest.mark.parametrize("columns", ["id,text", "id;text"])
def test_a_wrong_byte_far_down_is_one_bad_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setattr("files.sources.texts.SAMPLE_BYTES", 1000)
    delimiter = columns[2]
    lines = [columns, *(f"{n}{delimiter}café" for n in range(3000))]
    data = (
        "\n".join(lines)
        .encode()
        .replace(
            b"2500" + delimiter.encode() + "café".encode(),
            f"2500{delimiter}".encode() + b"caf\xe9",
        )
    )
    rows = rows_of(written(tmp_path / "a.csv", data), key="id")
    bad = [row for row in rows if row.problem]
    assert len(rows) == 3000
    assert [(row.place, row.problem) for row in bad] == [
        ("2502", "the byte 0xE9 is not UTF-8, the encoding of the rest")
    ]
    assert bad[0].content == f"2500{delimiter}caf\ufffd"


@pytest.mark.parametrize("cut", [0, 1])
def test_a_gzip_file_that_ends_early_gives_the_rows_before(tmp_path: Path, cut: int) -> None:
    lines = "".join(f'{n},"{os.urandom(20).hex()}"\n' for n in range(20_000))
    data = gzip.compress(f"id,text\n{lines}".encode())
    half = data[: len(data) // 2]
    broken = half if cut else half + b"\xff" * 1000 + data[len(half) + 1000 :]
    path = written(tmp_path / "a.csv.gz", broken)
    rows: list[SourceRow] = []
    with pytest.raises(ReadingError, match=r"^a\.csv\.gz: The gzip file is (cut off|damaged)"):
        rows.extend(gathered(path, rows))
    assert 5_000 < len(rows) < 15_000
    whole = rows_of(written(tmp_path / "b.csv", f"id,text\n{lines}"), key="id")
    if cut:
        assert rows == whole[: len(rows)]


def gathered(path: Path, rows: list[SourceRow]) -> list[SourceRow]:
    """Puts the rows into `rows` one by one, so that they are there if reading fails."""
    for row in open_source([str(path)], text_column="text", key_column="id").rows():
        rows.append(row)  # noqa: PERF402 - for the rows before an error
    return []


def test_a_quote_in_the_last_line_of_a_gzip_file_that_is_cut_off(tmp_path: Path) -> None:
    text = f'id,text\n1,Good\n2,"{os.urandom(5000).hex()}\n{os.urandom(5000).hex()}",\n3,Bad\n'
    data = gzip.compress(text.encode())
    rows: list[SourceRow] = []
    with pytest.raises(ReadingError, match="cut off"):
        gathered(written(tmp_path / "a.csv.gz", data[: len(data) * 3 // 4]), rows)
    assert [row.text for row in rows] == ["Good"]


def test_utf_16_that_breaks_gives_the_rows_before(tmp_path: Path) -> None:
    data = CSV.encode("utf-16") + b"\x00\xd8\x20\x00"
    rows: list[SourceRow] = []
    with pytest.raises(ReadingError, match=r"begins as UTF-16, but byte 45 is not"):
        gathered(written(tmp_path / "a.csv", data), rows)
    assert short(rows) == ROWS


def test_damaged_parquet_is_a_sentence(tmp_path: Path) -> None:
    texts = [os.urandom(50).hex() for _ in range(20_000)]
    whole = parquet(tmp_path / "a.parquet", {"text": texts}, compression="snappy").read_bytes()
    cut = written(tmp_path / "cut.parquet", whole[: len(whole) // 2])
    with pytest.raises(ReadingError, match=r"^cut\.parquet: The Parquet file is cut off"):
        rows_of(cut)
    other = written(tmp_path / "other.parquet", CSV)
    with pytest.raises(ReadingError, match=r"^other\.parquet: The Parquet file is cut off"):
        rows_of(other)


PARQUET = parquet_bytes({"text": ["Good", "Bad"], "id": [1, 2]})


@deadline_free
@given(st.integers(0), st.integers(0, 255))
def test_parquet_with_any_byte_changed_is_rows_or_a_sentence(
    tmp_path: Path, at: int, to: int
) -> None:
    data = bytearray(PARQUET)
    data[at % len(data)] = to
    path = written(tmp_path / "a.parquet", bytes(data))
    try:
        rows_of(path)
    except ReadingError:
        return


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel file"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1", "one with a password"),
        ("a.xlsx", xlsx(["text"])[:-200], "damaged workbook"),
        ("a.csv", b"a\0b", "binary"),
        ("a.csv", b"%PDF-1.7", "a PDF"),
        ("a.parquet.gz", gzip.compress(b"PAR1 and so on"), "a Parquet file"),
        ("a.xlsx.gz", gzip.compress(xlsx(["text"])), "a zip archive"),
        ("a.json", b'["a",', r"The JSON is damaged"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # archives have the time in them
)
def test_other_files_are_a_sentence(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(ReadingError, match=reason) as caught:
        rows_of(written(tmp_path / name, content))
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)


def test_sizes_that_memory_would_not_hold_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MAX_ARRAY_CHARS", 1000)
    monkeypatch.setattr(opening, "MAX_WORKBOOK_BYTES", 1000)
    monkeypatch.setattr("files.sources.texts.MAX_LINE_CHARS", 1000)
    monkeypatch.setattr(opening, "BLOCK_BYTES", 100)
    for name, content, reason in (
        ("a.json", json.dumps(["a"] * 1000, indent=0).encode(), "A JSON array may have"),
        ("a.xlsx", xlsx(["text"], ["a"]), "An XLSX file may have"),
        ("a.csv", CSV.encode() + b"x" * 5000, "Line 4 has more than"),
    ):
        with pytest.raises(ReadingError, match=reason):
            rows_of(written(tmp_path / name, content))


def test_a_long_quoted_text_does_not_hold_up_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("files.delimited.MAX_WINDOW_CHARS", 1000)
    monkeypatch.setattr(opening, "BLOCK_BYTES", 100)
    content = 'id,text\n1,"never closed\n' + "".join(f"{n},{'x' * 50}\n" for n in range(2, 500))
    rows = rows_of(written(tmp_path / "a.csv", content), key="id")
    assert [row.place for row in rows if row.problem] == ["2"]
    assert len(rows) == 499
