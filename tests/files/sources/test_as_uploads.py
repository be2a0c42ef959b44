"""A source gives the rows that the same file gives as an upload, wherever its blocks are cut."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from files import delimited
from files.errors import ReadingError
from files.reading import read_file
from files.sources import SourceRow, open_source, opening
from files.tables import Limits, Table

LIMITS = Limits(max_bytes=30_000_000, max_rows=20_000, max_columns=10_000)
TEXT_SUFFIXES = ["csv", "tsv", "txt", ""]
LONGEST_RECORD = 4  # lines, so that a window of the file is as short as its blocks

blocks = st.sampled_from([1, 2, 3, 7, 64, 1000])
# What a table is made of, and letters of one byte, two and four.
cells = st.text(st.sampled_from("ab ,;\t|\"\n\r'é😀1"), max_size=60)
# Examples write one file after another into the same folder; a disk may take its time.
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(autouse=True)
def short_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_RECORD_LINES", LONGEST_RECORD)


def streamed(path: Path, text_column: str, block_bytes: int) -> list[SourceRow]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(opening, "BLOCK_BYTES", block_bytes)
        return list(open_source([str(path)], text_column=text_column).rows())


def uploaded(data: bytes, name: str) -> Table | None:
    """The table of an upload; None if there is nothing in it. Raises ReadingError."""
    try:
        return read_file(name, data, limits=LIMITS)
    except ReadingError as error:
        if "empty" in str(error):
            return None
        raise


def assert_same(data: bytes, suffix: str, folder: Path, block_bytes: int) -> None:
    path = folder / f"a.{suffix}"
    path.write_bytes(data)
    try:
        table = uploaded(data, path.name)
    except ReadingError:
        with pytest.raises(ReadingError):
            streamed(path, "text", block_bytes)
        return
    if table is None:
        assert streamed(path, "text", block_bytes) == []
        return
    for column, name in enumerate(table.columns):
        try:
            rows = streamed(path, name, block_bytes)
        except ReadingError:
            assert not table.rows, "a column that is there is found"
            continue
        good = [(row.place, row.key, row.text) for row in rows if not row.problem]
        bad = [(row.place, row.problem, row.content) for row in rows if row.problem]
        numbers = map(str, table.numbers)
        texts = (row[column] for row in table.rows)
        assert good == [(n, n, text) for n, text in zip(numbers, texts, strict=True)]
        assert bad == [(str(row.number), row.reason, row.content) for row in table.bad]
        assert [row.number for row in rows] == list(range(len(rows)))


@same_folder
@example('text\n"never\nclosed\na\n"b\nc"\nd\ne\nf\ng\nh\n', "csv", 1)
@example("sep=;\r\na;b\r\n1;2\r\n", "csv", 1)
@example('\r\r\n"\r\n"\r', "csv", 2)
@given(cells, st.sampled_from(TEXT_SUFFIXES), blocks)
def test_any_table(tmp_path: Path, text: str, suffix: str, block_bytes: int) -> None:
    assert_same(text.encode(), suffix, tmp_path, block_bytes)


@same_folder
@given(
    st.lists(st.lists(cells, min_size=1, max_size=3), min_size=1, max_size=12),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([True, False]),
    blocks,
)
def test_any_rows(
    tmp_path: Path, rows: list[list[str]], end: str, quoted: bool, block_bytes: int
) -> None:
    lines = (
        ",".join('"{}"'.format(cell.replace('"', '""')) if quoted else cell for cell in row)
        for row in rows
    )
    assert_same(end.join(lines).encode(), "csv", tmp_path, block_bytes)


@same_folder
@given(st.text() | cells, st.sampled_from(["utf-8-sig", "utf-16", "utf-32", "utf-16-be"]), blocks)
def test_any_text_with_a_mark(tmp_path: Path, text: str, codec: str, block_bytes: int) -> None:
    mark = "\ufeff" if codec.endswith("be") else ""
    data = (mark + text).encode(codec, "surrogatepass")
    assert_same(data, "txt", tmp_path, block_bytes)


@same_folder
@given(st.binary(), st.sampled_from([*TEXT_SUFFIXES, "jsonl", "json", "xlsx", "parquet"]), blocks)
def test_any_bytes(tmp_path: Path, data: bytes, suffix: str, block_bytes: int) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data)
    if suffix in TEXT_SUFFIXES and not data.startswith(b"\x1f\x8b"):
        assert_same(data, suffix, tmp_path, block_bytes)
        return
    try:
        rows = streamed(path, "text", block_bytes)
    except ReadingError:
        return
    assert all(row.problem or row.text.strip() for row in rows)


@same_folder
@pytest.mark.parametrize("codec", ["cp1252", "cp1251", "shift_jis", "big5"])
@given(st.integers(1, 40), blocks)
def test_any_cut_of_other_encodings(
    tmp_path: Path, codec: str, times: int, block_bytes: int
) -> None:
    text = {
        "cp1251": "Очень хороший товар, всем советую.\nПлохо, никому не советую.\n",
        "shift_jis": "とても良い商品です。\nおすすめします。\n最悪でした。\n",
        "big5": "非常好的產品，推薦給大家。\n服務很差，不會再來。\n",
        "cp1252": "Très déçu, l’équipe était désagréable\net le café froid.\n",
    }[codec]
    assert_same((text * times).encode(codec), "txt", tmp_path, block_bytes)


objects = st.dictionaries(
    st.sampled_from(["text", "id", "Wörter"]),
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=10)
    | st.lists(st.text(max_size=3)),
)


@same_folder
@given(
    st.lists(objects | st.text(max_size=5) | st.integers(), max_size=10),
    st.sampled_from(["jsonl", "json", "array", "txt", ""]),
    st.booleans(),
    blocks,
)
def test_any_json(
    tmp_path: Path, values: list[object], kind: str, ascii_only: bool, block_bytes: int
) -> None:
    values = [{"text": "a"}, *values]
    lines = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    text = f"[{', '.join(lines)}]" if kind == "array" else "\n".join(lines)
    path = tmp_path / f"a.{'json' if kind == 'array' else kind}"
    data = text.encode("utf-8", "surrogatepass")
    path.write_bytes(data)
    table = uploaded(data, path.name)
    assert table
    rows = streamed(path, "text", block_bytes)
    place = table.columns.index("text")
    good = [
        (row.place, row.text)
        for row in rows
        if not row.problem or row.problem == 'has no "text"'  # an empty cell of an upload
    ]
    expected = zip(map(str, table.numbers), (row[place] for row in table.rows), strict=True)
    assert good == list(expected)
    bad = [row for row in rows if row.problem and row.problem != 'has no "text"']
    assert [(row.place, row.problem) for row in bad] == [
        (str(row.number), row.reason) for row in table.bad
    ]
