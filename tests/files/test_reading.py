"""Reading what people upload and paste: CSV, TSV, JSONL, XLSX and text, well made and not."""

import csv
import datetime as dt
import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from files import workbook
from files.errors import ReadingError
from files.escape import guarded
from files.reading import read_file, read_pasted
from files.tables import BadRow, Limits, Table, bad_rows_csv

LIMITS = Limits(max_bytes=30_000_000, max_rows=20_000)
SHEET = "xl/worksheets/sheet1.xml"
SHEET_START = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
)
SHEET_END = b"</sheetData></worksheet>"


def read(name: str, content: str | bytes, limits: Limits = LIMITS) -> Table:
    return read_file(name, content.encode() if isinstance(content, str) else content, limits=limits)


def pasted(text: str) -> Table:
    return read_pasted(text, limits=LIMITS)


def xlsx(*rows: list[Any], change: Callable[[Workbook], None] | None = None) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    if change:
        change(book)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def with_part(data: bytes, name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The workbook with one part changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, content)
    return buffer.getvalue()


WORKBOOK = xlsx(["text", "n"], ["one", 1], ["two", 2.5])


# CSV and its kin


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    table = read("a.csv", f"text{delimiter}label\nGood{delimiter}up\nBad{delimiter}down\n")
    assert table.columns == ("text", "label")
    assert table.rows == [("Good", "up"), ("Bad", "down")]
    assert (table.numbers, table.header, table.delimiter) == ([2, 3], True, delimiter)
    assert table.kind == ("TSV" if delimiter == "\t" else "CSV")


def test_a_delimiter_that_only_some_rows_have_is_text() -> None:
    table = read("a.csv", "text\nGood, really\nBad\nFine; so so\n")
    assert (table.columns, table.delimiter) == (("text",), "")
    assert table.rows == [("Good, really",), ("Bad",), ("Fine; so so",)]


def test_decimal_commas_do_not_make_columns() -> None:
    table = read("a.csv", "text;score\nGood;1,5\nBad;2,5\nFine;3,5\n")
    assert (table.delimiter, table.rows[0]) == (";", ("Good", "1,5"))


def test_a_tsv_is_separated_by_tabs_whatever_its_texts_hold() -> None:
    assert read("a.tsv", "text\na, b\nc, d\n").rows == [("a, b",), ("c, d",)]


def test_excel_may_name_the_delimiter_in_the_first_line() -> None:
    table = read("a.csv", "sep=;\r\ntext;label\r\na, b;up\r\nc, d;down\r\n")
    assert (table.columns, table.rows[0]) == (("text", "label"), ("a, b", "up"))
    assert table.numbers == [3, 4]


def test_quoted_cells_hold_delimiters_quotes_and_line_breaks() -> None:
    table = read("a.csv", 'text,label\r\n"one, ""two""\r\nthree",up\r\nlast,down')
    assert table.rows == [('one, "two"\r\nthree', "up"), ("last", "down")]
    assert table.numbers == [2, 4]


@pytest.mark.parametrize("cell", ['5" nail', '"Great" product', 'the "best"', '"a" and "b"'])
def test_a_quote_that_does_not_enclose_a_cell_is_a_quote(cell: str) -> None:
    assert read("a.csv", f"text,label\n{cell},up\nBad,down\n").rows[0] == (cell, "up")


def test_only_line_breaks_end_lines() -> None:
    assert read("a.csv", "text,label\na\u2028b\x0bc\x85d,up\nBad,down\n").rows[0] == (
        "a\u2028b\x0bc\x85d",
        "up",
    )
    assert read("a.csv", "text,label\ra,up\rb,down\r").rows == [("a", "up"), ("b", "down")]


@pytest.mark.parametrize("rest", ["", "x,y\n" * 5000, '"Bad",down\n' * 3, '"x\ny",down\n'])
def test_a_quote_never_closed_costs_one_row(rest: str) -> None:
    table = read("a.csv", f'text,label\nGood,up\n"never closed,up\nFine,up\n{rest}')
    assert table.bad == [BadRow(3, "a quote is opened and never closed", '"never closed,up')]
    assert table.rows[:2] == [("Good", "up"), ("Fine", "up")]
    assert len(table.rows) == 2 + (rest.count("\n") if "x\ny" not in rest else 1)


def test_a_row_with_too_many_cells_is_bad_and_one_with_too_few_is_filled() -> None:
    table = read("a.csv", "text,label\na,up\nb,c,up\nd\ne,up,, \nf,up\ng,up\n")
    assert table.bad == [BadRow(3, "has 3 cells, the header has 2", "b,c,up")]
    assert table.rows == [("a", "up"), ("d", ""), ("e", "up"), ("f", "up"), ("g", "up")]


def test_empty_rows_are_counted_and_duplicates_kept() -> None:
    table = read("a.csv", "text,label\n" + "\n" * 5000 + ",\n" * 5000 + " , \na,up\na,up\n")
    assert table.empty_rows == 10_001
    assert (table.rows, table.numbers) == ([("a", "up")] * 2, [10_003, 10_004])


def test_a_header_without_rows_is_no_text() -> None:
    table = read("a.csv", "id,text\n\n,\n")
    assert (table.columns, table.rows, table.empty_rows) == (("id", "text"), [], 2)


def test_names_are_never_empty_and_never_twice() -> None:
    table = read("a.csv", "text,,text,text (2)\n1,2,3,4\n5,6,7,8\n")
    assert table.columns == ("text", "column 2", "text (2)", "text (2) (2)")


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("text,label\nGood,up\nBad,down\n", True),
        ("I love it,up\nGood,up\nBad,down\n", False),  # a label, since it comes again
        ("I love it,1\nBad,0\n", False),
        (f"{'long ' * 30},up\nBad,down\n", False),
        ("review text\nGood\nBad\n", True),
        ("I love it.\nGood.\n", False),
        ("What a great and wonderful thing\nGood\n", False),
        ("Good,up\n", False),
        ("Good,up\nBad,down\n", False),  # two rows can be anything
        ("Words,Stars\nGood,5\n", True),
        ("Id,Words\na1,Good\n", True),
        ("text,label\nGood,up\ntext,label\nBad,down\n", True),  # two files in one
    ],
)
def test_the_first_row_is_a_header_unless_it_looks_like_data(content: str, header: bool) -> None:
    table = read("a.csv", content)
    assert table.header is header
    assert len(table.rows) == content.count("\n") - header
    assert table.numbers[0] == 1 + header


def test_a_cell_of_two_megabytes_is_read_and_the_csv_module_left_alone() -> None:
    before = csv.field_size_limit()
    long = 'x"y' * 700_000
    table = read("a.csv", f'text,label\n"{long.replace(chr(34), chr(34) * 2)}",up\nb,down\n')
    assert table.rows[0] == (long, "up")
    assert csv.field_size_limit() == before


@st.composite
def sheets(draw: st.DrawFn) -> list[list[str]]:
    columns = draw(st.integers(2, 4))
    cell = st.text(st.sampled_from("ab ,;\t|\"\n\r'é😀"), max_size=8)
    row = st.lists(cell, min_size=columns, max_size=columns)
    return draw(st.lists(row.filter(lambda cells: "".join(cells).strip()), min_size=2, max_size=8))


@given(sheets(), st.sampled_from(",;\t|"))
def test_what_the_csv_module_writes_is_read_back(rows: list[list[str]], delimiter: str) -> None:
    header = [f"name {n}" for n in range(len(rows[0]))]
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows(rows)
    # Nothing but the name of a TSV tells a delimiter for certain, so it is said here.
    table = read("a.csv", f"sep={delimiter}\n{buffer.getvalue()}")
    assert table.columns == tuple(header)
    assert table.rows == [tuple(row) for row in rows]


@given(st.binary(), st.sampled_from(["csv", "tsv", "txt", "json", "jsonl", "xlsx", ""]))
def test_any_bytes_are_a_table_or_a_reading_error(data: bytes, suffix: str) -> None:
    try:
        table = read(f"a.{suffix}", data)
    except ReadingError:
        return
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert len(table.rows) == len(table.numbers)


@given(st.integers(0), st.integers(0, 255))
def test_a_workbook_with_any_byte_changed_is_a_table_or_a_reading_error(at: int, to: int) -> None:
    data = bytearray(WORKBOOK)
    data[at % len(data)] = to
    try:
        table = read("a.xlsx", bytes(data))
    except ReadingError:
        return
    assert all(len(row) == len(table.columns) for row in table.rows)


@given(st.text())
def test_any_text_can_be_pasted(text: str) -> None:
    if text.strip():
        table = pasted(text)
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert not table.bad or table.delimiter


# Encodings


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("cp1252", "cp1252"),
        ("cp1251", "cp1251"),
        ("shift_jis", "cp932"),
    ],
)
def test_encodings_are_recognised(codec: str, encoding: str) -> None:
    text = {
        "cp1251": "Очень хороший товар, всем советую. Плохо, никому не советую.",
        "shift_jis": "とても良い商品です。おすすめします。最悪でした。",
    }.get(codec, "Très déçu, l’équipe était désagréable et le café froid.")
    table = read("a.txt", f"{text}\nplain\n".encode(codec))
    assert table.rows == [(text,), ("plain",)]
    assert table.encoding == encoding


@pytest.mark.parametrize("codec", ["utf-16-be", "utf-32-be"])
def test_byte_order_marks_are_recognised(codec: str) -> None:
    assert read("a.txt", "\ufeffcafé\nplain".encode(codec)).rows == [("café",), ("plain",)]


@pytest.mark.parametrize(
    "rows",
    [
        ["I don’t like it"],
        ["“Great” – but £5 is too much…", "I can’t", "a café"],
        ["1,é", "2,ñandú", "3,café"],
        ["Größe fällt klein aus.", "Für dieses Geld"],
        ["Maden var god, men på aftenen.", "Høretelefonerne gik i stykker"],
        ["¿Por qué tardó tanto?", "¡Qué maravilla! Volveremos el próximo año."],
    ],
)
@pytest.mark.parametrize("times", [1, 100])
def test_a_few_accents_and_quotes_are_windows_1252(rows: list[str], times: int) -> None:
    content = "\n".join(rows * times + ["plain"])
    table = read("a.txt", content.encode("cp1252"))
    assert table.encoding == "cp1252"
    assert [text for (text,) in table.rows] == content.splitlines()


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1250", "Bardzo miła obsługa i pyszne jedzenie. Łóżko było niewygodne, dziękuję."),
        ("cp1250", "Žluťoučký kůň úpěl ďábelské ódy. Zboží přišlo poškozené."),
        ("cp1253", "Πολύ καλό προϊόν, το συνιστώ σε όλους. Απαράδεκτη εξυπηρέτηση."),
        ("cp932", "テストはコーヒーとケーキのセットでした。サービスもテキパキ。"),
        ("big5", "非常好的產品，推薦給大家。服務很差，不會再來。"),
        ("cp949", "정말 좋은 제품입니다. 추천합니다. 다시는 안 삽니다."),
    ],
)
def test_other_scripts_are_not_taken_for_western(codec: str, text: str) -> None:
    assert read("a.txt", f"{text}\nplain\n".encode(codec)).rows[0] == (text,)


def test_one_row_in_utf_8_among_western_ones_makes_those_bad() -> None:
    data = "soirée\nété\n".encode("cp1252") + "café\nfine\n".encode()
    table = read("a.txt", data)
    assert (table.encoding, table.rows) == ("UTF-8", [("café",), ("fine",)])
    assert [row.number for row in table.bad] == [1, 2]


def test_in_mixed_encodings_the_odd_rows_are_bad() -> None:
    good = "text,label\ncafé au lait,up\nété à Genève,up\n"
    table = read("a.csv", good.encode() + "soirée,down\n".encode("cp1252") + b"fine,up\n")
    assert table.encoding == "UTF-8"
    assert table.bad == [
        BadRow(4, "the byte 0xE9 is not UTF-8, the encoding of the rest", "soir\ufffde,down")
    ]
    assert [row[0] for row in table.rows] == ["café au lait", "été à Genève", "fine"]


def test_one_odd_line_in_a_json_array_is_one_bad_row() -> None:
    table = read("a.json", '["été à Genève", "'.encode() + b'soir\xe9e", "fine"]')
    assert (table.rows, [row.number for row in table.bad]) == ([("été à Genève",), ("fine",)], [2])


def test_damaged_utf_16_is_refused() -> None:
    with pytest.raises(ReadingError, match="begins as UTF-16, but byte"):
        read("a.csv", "text".encode("utf-16") + b"x")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on", "old Excel file"),
        (b"%PDF-1.7\n%...", "a PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a picture"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"PAR1\x15\0", "Parquet"),
        (b"something\0else", "binary"),
    ],
)
def test_binary_files_are_refused(data: bytes, what: str) -> None:
    with pytest.raises(ReadingError, match=f"seems to be.*{what}.*Save it as"):
        read("a.csv", data)


def test_a_zip_that_is_no_workbook_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    with pytest.raises(ReadingError, match="a zip archive"):
        read("a.xlsx", buffer.getvalue())


def test_strange_characters_survive() -> None:
    late = "x" * 9000 + "\0y"
    assert read("a.txt", f"{late}\n\ufeff\x01z").rows == [(late,), ("\ufeff\x01z",)]
    assert pasted("a\0b\n\ud800c\udc80\n").rows == [("a\0b",), ("\ud800c\udc80",)]


# Limits


@pytest.mark.parametrize("content", ["", " \n\t\n", "\ufeff"])
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl", "a.json", "a"])
def test_an_empty_file_is_refused(name: str, content: str) -> None:
    with pytest.raises(ReadingError, match="empty"):
        read(name, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", ",,\n,,\n"), ("a.tsv", '"\t"\n'), ("a.jsonl", '""\n{"a": null}'), ("a.json", "[]")],
)
def test_a_file_of_empty_rows_is_refused(name: str, content: str) -> None:
    with pytest.raises(ReadingError, match="only empty rows"):
        read(name, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label\n" + "a,up\n" * 11),
        ("a.csv", "text,label\n" + "a,up\n" * 9 + "a,b,up\n" * 2),
        ("a.txt", "a\n" * 11),
        ("a.jsonl", '{"text": "a"}\n' * 9 + "broken\n" * 2),
        ("a.xlsx", xlsx(["text", "label"], *[["a", "up"]] * 11)),
    ],
)
def test_too_many_rows_are_refused(name: str, content: str | bytes) -> None:
    with pytest.raises(ReadingError, match=r"has (11|more than 10) rows; at most 10"):
        read(name, content, Limits(max_bytes=10_000, max_rows=10))
    table = read(name, content, Limits(max_bytes=10_000, max_rows=11))
    assert len(table.rows) + len(table.bad) == 11


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(ReadingError, match=r"2\.5 MB; at most 1\.0 MB"):
        read("a.csv", b"x" * 2_500_000, Limits(max_bytes=1_000_000, max_rows=10))
    with pytest.raises(ReadingError, match="4 bytes; at most 3 bytes"):
        read_pasted("éé", limits=Limits(max_bytes=3, max_rows=10))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", ",".join("abcd") + "\n"),
        ("a.jsonl", json.dumps(dict.fromkeys("abcd", "x"))),
        ("a.xlsx", xlsx(["a", "b", "c", "d"])),
    ],
)
def test_too_many_columns_are_refused(name: str, content: str | bytes) -> None:
    with pytest.raises(ReadingError, match="has 4 columns; at most 3"):
        read(name, content, Limits(max_bytes=10_000, max_rows=10, max_columns=3))


# Text and JSON


def test_a_text_file_is_one_text_a_line_without_a_header() -> None:
    table = read("a.txt", '"a, b\n\nc\td\r\n')
    assert (table.columns, table.rows, table.numbers) == (
        ("text",),
        [('"a, b',), ("c\td",)],
        [1, 3],
    )
    assert (table.kind, table.header, table.empty_rows) == ("text", False, 1)


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a.txt", "a"])
def test_json_lines(name: str) -> None:
    content = '{"text": "é", "n": 1}\n\n{"n": null, "tags": ["a", {"b": "é"}], "ok": true}\n'
    table = read(name, content)
    assert table.kind == "JSONL"
    assert table.columns == ("text", "n", "tags", "ok")
    assert table.rows == [("é", "1", "", ""), ("", "", '["a", {"b": "é"}]', "true")]
    assert (table.numbers, table.empty_rows) == ([1, 3], 1)


def test_json_strings_and_bad_lines() -> None:
    table = read("a.jsonl", '"one"\n{"text": "two", "text": "three"}\n{broken\n[1]\n5\n""\n')
    assert (table.columns, table.rows) == (("text",), [("one",), ("three",)])
    assert [row.number for row in table.bad] == [3, 4, 5]
    assert "is not JSON" in table.bad[0].reason
    assert table.bad[1].reason == "is neither a JSON object nor a string"
    assert table.empty_rows == 1


def test_deep_json_is_a_bad_row() -> None:
    deep = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
    table = read("a.jsonl", f'{{"text": "a"}}\n{deep}\n')
    assert table.rows == [("a",)]
    assert table.bad == [BadRow(2, "is nested too deeply", f"{deep[:100]}…")]
    with pytest.raises(ReadingError, match="nested too deeply"):
        read("a.json", "[" * 100_000)


def test_a_json_array() -> None:
    table = read("a.json", '[\n  {"text": "a"},\n  "b",\n  7\n]')
    assert (table.kind, table.rows, table.numbers) == ("JSON", [("a",), ("b",)], [1, 2])
    assert table.bad == [BadRow(3, "is neither a JSON object nor a string", "7")]
    with pytest.raises(ReadingError, match=r"damaged.*line 2"):
        read("a.json", '["a",\n"b"')


@pytest.mark.parametrize(("name", "kind"), [("a.json", "JSON"), ("a.jsonl", "JSONL")])
def test_broken_json_is_called_by_its_name(name: str, kind: str) -> None:
    table = read(name, '{"text": "a",}\n')
    assert (table.kind, table.rows, [row.number for row in table.bad]) == (kind, [], [1])


# Pasting


def test_pasted_lines_are_texts_as_typed() -> None:
    table = pasted('Good, really\n"Great" product\n"quoted"\n"not closed\n\nGood, really\n')
    assert [row[0] for row in table.rows] == [
        "Good, really",
        '"Great" product',
        '"quoted"',
        '"not closed',
        "Good, really",
    ]
    assert (table.columns, table.kind, table.header) == (("text",), "text", False)
    assert (table.numbers, table.empty_rows) == ([1, 2, 3, 4, 6], 1)


def test_pasted_cells_are_a_table() -> None:
    table = pasted('text\tlabel\n"one\n""two"""\tup\n"quoted"\t\n"not closed\tdown\n')
    assert (table.columns, table.header, table.delimiter) == (("text", "label"), True, "\t")
    assert table.rows == [('one\n"two"', "up"), ('"quoted"', ""), ('"not closed', "down")]
    assert (table.kind, table.numbers) == ("TSV", [2, 4, 5])


def test_a_pasted_column_keeps_cells_with_line_breaks_together() -> None:
    assert pasted('"one\ntwo"\nthree\n').rows == [("one\ntwo",), ("three",)]


def test_a_tab_in_some_lines_only_makes_no_table() -> None:
    assert pasted("a\tb\nc\n").rows == [("a\tb",), ("c",)]


# XLSX


def test_a_workbook() -> None:
    data = xlsx(
        ["text", "value"],
        ["int", 3],
        ["float", 3.0],
        ["long float", 0.1 + 0.2],
        [],
        ["day", dt.datetime(2026, 1, 31)],
        ["moment", dt.datetime(2026, 1, 31, 12, 30)],
        ["time", dt.time(12, 30)],
        ["bool", True],
        ["error", "#DIV/0!"],
        ["formula", "=1+1"],
        ["break", "a_x000D_\nb"],
    )
    table = read("a.xlsx", data)
    assert (table.columns, table.kind, table.sheet) == (("text", "value"), "XLSX", "Sheet")
    assert (table.encoding, table.delimiter, table.header) == ("", "", True)
    assert [value for _, value in table.rows] == [
        "3",
        "3",
        "0.3",
        "2026-01-31",
        "2026-01-31 12:30:00",
        "12:30:00",
        "TRUE",
        "#DIV/0!",
        "",
        "a\r\nb",
    ]
    assert table.numbers == [2, 3, 4, 6, 7, 8, 9, 10, 11, 12]
    assert table.empty_rows == 1


def test_the_first_visible_sheet_is_read() -> None:
    def hide_the_first(book: Workbook) -> None:
        book.active.sheet_state = "hidden"
        book.create_sheet("Reviews").append(["seen"])

    table = read("a.xlsx", xlsx(["not seen"], change=hide_the_first))
    assert (table.sheet, table.rows) == ("Reviews", [("seen",)])


def test_shared_strings_are_read() -> None:
    name = "xl/sharedStrings.xml"
    strings = b"<si><t>text</t></si><si><r><t>two </t></r><r><t>runs</t></r></si>"
    main = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    data = with_part(xlsx(["text"]), name, b"<sst " + main + b">" + strings + b"</sst>")
    rows = b"".join(b'<row><c t="s"><v>%d</v></c></row>' % index for index in (0, 1))
    data = with_part(data, SHEET, SHEET_START + rows + SHEET_END)
    part = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        types = archive.read("[Content_Types].xml").decode()
    entry = f'<Override PartName="/{name}" ContentType="{part}"/></Types>'
    types = types.replace("</Types>", entry)
    table = read("a.xlsx", with_part(data, "[Content_Types].xml", types.encode()))
    assert (table.columns, table.rows) == (("text",), [("two runs",)])


def test_rows_are_as_wide_as_the_widest() -> None:
    table = read("a.xlsx", xlsx(["text", "label"], ["a", "up", "a note"], ["b", None, None]))
    assert table.columns == ("text", "label", "column 3")
    assert table.rows == [("a", "up", "a note"), ("b", "", "")]


def test_an_empty_workbook_is_refused() -> None:
    with pytest.raises(ReadingError, match="empty"):
        read("a.xlsx", xlsx())


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (SHEET, b"<worksheet"),
        (SHEET, SHEET_START + b'<row r="x"/>' + SHEET_END),
        (SHEET, SHEET_START + b'<row><c t="s"><v>5</v></c></row>' + SHEET_END),
        ("xl/workbook.xml", b""),
        ("[Content_Types].xml", b"<a/>"),
    ],
)
def test_damaged_workbooks_are_refused(part: str, content: bytes) -> None:
    with pytest.raises(ReadingError, match=r"damaged|no visible sheet"):
        read("a.xlsx", with_part(xlsx(["text"]), part, content))


def test_a_truncated_workbook_is_refused() -> None:
    with pytest.raises(ReadingError, match="damaged workbook"):
        read("a.xlsx", xlsx(["text"])[:-200])


def test_claimed_cells_that_are_not_there_take_no_time() -> None:
    row = b'<row r="1"><c r="A1"><v>5</v></c></row>'
    sheet = SHEET_START.replace(b"<sheetData>", b'<dimension ref="A1:XFD1048576"/><sheetData>')
    content = sheet + row + b'<row r="999999999"><c r="XFD999999999"><v>6</v></c></row>' + SHEET_END
    assert read("a.xlsx", with_part(xlsx(["text"]), SHEET, content)).rows == [("5",)]


@pytest.mark.parametrize("part", [SHEET, "xl/sharedStrings.xml", "xl/media/picture.png"])
def test_a_part_that_unpacks_to_far_more_is_refused(part: str) -> None:
    bomb = with_part(xlsx(["text"]), part, b"<a>" + b" " * (workbook.MAX_UNPACKED_BYTES))
    assert len(bomb) < 200_000
    with pytest.raises(ReadingError, match=r"has 0\.1 MB, but 134 MB when unpacked; at most 134"):
        read("a.xlsx", bomb)


def test_a_part_that_lies_about_its_size_is_refused() -> None:
    real = SHEET_START + b" " * 50_000_000
    bomb = with_part(xlsx(["text"]), SHEET, real)
    lying = bomb.replace(struct.pack("<I", len(real)), struct.pack("<I", len(SHEET_START)))
    assert lying != bomb
    with pytest.raises(ReadingError, match="damaged"):
        read("a.xlsx", lying)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (SHEET_START + b"<row>" + b"<c/>" * 200_001, "A row of the workbook"),
        (SHEET_START + b"<row>" + b"<row/><c/>" * 150_000, "A row of the workbook"),
        (b"<sst><si>" + b"<r/>" * 200_001, "A row of the workbook"),
        (SHEET_START + b"<row/>" * 1_048_577, "1,048,576 rows"),
        (SHEET_START + b"<row><c/><c/><c/></row>" * 1_000_000, "4,000,000 elements"),
        (SHEET_START + b'<row a="' + b"x" * 5_000_000 + b'"/>', "more than 4 MB"),
        (SHEET_START + b"<row><c><is><t>" + b"x" * 5_000_000, "more than 4 MB"),
        (SHEET_START + b'<row><c r="XFD1"/></row>' * 2_000 + SHEET_END, "30,000,000 cells"),
        (b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 1000 + b'">]><a>&b;&b;</a>', "XML entities"),
        ("<!DOCTYPE a [<!ENTITY b 'x'>]><a/>".encode("utf-16"), "XML entities"),
    ],
)
def test_xml_that_grows_in_memory_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ReadingError, match=reason):
        read("a.xlsx", with_part(xlsx(["text"]), SHEET, content))


def test_unusual_packing_is_refused() -> None:
    data = with_part(xlsx(["text"]), SHEET, SHEET_START, method=zipfile.ZIP_LZMA)
    with pytest.raises(ReadingError, match="packed in an unusual way"):
        read("a.xlsx", data)


def test_too_many_parts_are_refused() -> None:
    buffer = io.BytesIO(xlsx(["text"]))
    with zipfile.ZipFile(buffer, "a") as archive:
        for number in range(workbook.MAX_PARTS):
            archive.writestr(f"xl/media/{number}", b"")
    with pytest.raises(ReadingError, match=r"has 2,\d\d\d parts; at most 2,000"):
        read("a.xlsx", buffer.getvalue())


# Bad rows as a file


def test_bad_rows_are_a_csv_file_that_spreadsheets_can_open() -> None:
    bad = [BadRow(3, "is bad", '=1+1,"é"\n😀'), BadRow(7, "is worse", "")]
    data = bad_rows_csv(bad)
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["row", "reason", "content"]
    assert rows[1] == ["3", "is bad", guarded('=1+1,"é"\n😀')]
    assert rows[1][2].startswith("'=")
    assert rows[2] == ["7", "is worse", ""]


def test_bad_rows_of_any_file_can_be_written() -> None:
    table = read("a.jsonl", '{"text": "été à Genève"}\n'.encode() + b'{"text": "\xe9"\n')
    assert "\ufffd" in bad_rows_csv(table.bad).decode("utf-8-sig")
