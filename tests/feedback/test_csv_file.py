"""Export and import are inverse to each other, whatever the log holds."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feedback import CsvError, Entry, FeedbackLog, Rating, export_csv, import_csv
from feedback.csv_file import COLUMNS, LATER, Imported
from feedback.records import Added, Sampling, compact_json
from model.prediction import (
    Attribution,
    GeneratedText,
    Prediction,
    ScoredLabel,
    ScoredLabels,
    Span,
    Spans,
    Weight,
    attribution_to_json,
)
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.entries import entry, history, rating

# Any code point, and often the ones that matter to CSV, spreadsheets and escapes.
any_text = st.text(st.characters(), max_size=20) | st.text(
    st.sampled_from("=+-@'\t\r\n\0\x10\",;|0a＝ \ud800\udfff\ufeff"), max_size=8
)
score = st.floats(0, 1)
instants = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
scored_labels = st.builds(
    ScoredLabels,
    st.lists(st.builds(ScoredLabel, any_text, score), min_size=1, max_size=3).map(
        lambda items: tuple(sorted(items, key=lambda item: -item.score))
    ),
    st.booleans(),
)
spans = st.builds(Span, any_text, score, st.integers(0, 9), st.integers(9, 2**40))
attributions = st.builds(
    lambda label, weight: compact_json(
        attribution_to_json(Attribution(label, 1, (Weight(0, 1, weight),)))
    ),
    any_text,
    st.floats(-1, 1),
)
outputs = (
    scored_labels
    | st.builds(Spans, st.lists(spans, max_size=3).map(tuple))
    | st.builds(
        GeneratedText,
        any_text,
        st.integers(0, 2**40),
        st.sampled_from(("end", "length", "stopped")),
    )
)
predictions = st.builds(
    Prediction,
    id=st.uuids(),
    created_at=instants,
    task=any_text,
    model_id=any_text,
    model_revision=any_text,
    params=st.dictionaries(any_text, any_text | st.integers() | score, max_size=2),
    input=any_text,
    output=outputs,
    truncated=st.booleans(),
    queue_ms=st.floats(0, 1e9),
    inference_ms=st.floats(0, 1e9),
    read=st.none() | any_text.filter(bool),
)
entries = st.builds(
    Entry,
    prediction=predictions,
    source=any_text,
    session_id=any_text,
    batch_id=st.none() | st.uuids(),
)


@st.composite
def logs(draw: Any) -> tuple[list[Entry], list[Rating]]:
    made = draw(st.lists(entries, max_size=4, unique_by=lambda one: one.prediction.id))
    ids = [one.prediction.id for one in made]
    one_rating = st.builds(
        Rating,
        id=st.uuids(),
        prediction_id=st.sampled_from(ids) if ids else st.nothing(),
        created_at=instants,
        reviewer=any_text,
        verdict=st.sampled_from(("up", "down")),
        correction=any_text,
        comment=any_text,
        blind=st.booleans(),
        sampling=st.sampled_from(get_args(Sampling)),
        attribution=st.just("") | attributions,
        retracted=st.booleans(),
    )
    return made, draw(st.lists(one_rating, max_size=6 if ids else 0, unique_by=lambda r: r.id))


@contextmanager
def empty_log() -> Iterator[FeedbackLog]:
    with tempfile.TemporaryDirectory() as folder:
        log = FeedbackLog(new_sqlite_log(Path(folder, "log.db")))
        yield log
        log.close()


def exported(log: FeedbackLog, *, unrated: bool = True) -> bytes:
    return b"".join(export_csv(log, unrated=unrated))


PAIR = entry(output=ScoredLabels((ScoredLabel("\ud800\udc00", 0.5),)))  # JSON makes it one


@settings(max_examples=50, deadline=None)
@given(content=logs(), unrated=st.booleans())
@example(content=([PAIR], []), unrated=True)
def test_export_import_export_is_identical(
    content: tuple[list[Entry], list[Rating]], unrated: bool
) -> None:
    with empty_log() as first, empty_log() as second:
        first.add(*content)
        file = exported(first, unrated=unrated)
        import_csv(second, io.BytesIO(file))
        assert exported(second, unrated=unrated) == file
        assert history(second, unrated=True) == history(first, unrated=unrated)
        again = import_csv(second, io.BytesIO(file)).added
        assert again == Added(0, 0, 0), "importing twice adds nothing"


@settings(max_examples=50, deadline=None)
@given(content=logs())
def test_no_cell_starts_a_formula(content: tuple[list[Entry], list[Rating]]) -> None:
    with empty_log() as log:
        log.add(*content)
        file = exported(log).decode("utf-8-sig")
    for row in csv.reader(io.StringIO(file, newline="")):
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝")), cell
            assert not cell.startswith(("\t", "\r")), cell


def test_the_round_trip_holds_on_each_database(log: FeedbackLog, tmp_path: Path) -> None:
    stored = [entry(text) for text in ("=1+1", "a\0b", "lone \ud800", "line\r\nbreak", "'quoted'")]
    log.add(stored, [rating(stored[0]), rating(stored[0], "Bob", "down", comment="-1")])
    file = exported(log)
    copy = FeedbackLog(f"sqlite:///{tmp_path / 'copy.db'}")
    done = import_csv(copy, io.BytesIO(file))
    assert done == Imported(6, Added(5, 2, 0))
    assert exported(copy) == file
    copy.close()


def test_the_file_is_what_spreadsheets_expect(sqlite_log: FeedbackLog) -> None:
    stored = entry('say "hi", ok\nbye')
    sqlite_log.add([stored], [rating(stored)])
    file = exported(sqlite_log)
    assert file.startswith(b"\xef\xbb\xbfprediction_id,")
    assert file.endswith(b"\r\n")
    assert b'"say ""hi"", ok\nbye"' in file


def test_predictions_without_a_rating_come_on_request(sqlite_log: FeedbackLog) -> None:
    rated, bare = entry("rated"), entry("bare")
    sqlite_log.add([rated, bare], [rating(rated)])
    assert b"bare" in exported(sqlite_log, unrated=True)
    assert b"bare" not in exported(sqlite_log, unrated=False)


def changed(file: bytes, column: str, value: str) -> bytes:
    """`file` with another value in `column` of its second row of data."""
    table = list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline="")))
    table[2][COLUMNS.index(column)] = value
    buffer = io.StringIO()
    csv.writer(buffer).writerows(table)
    return buffer.getvalue().encode("utf-8-sig")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("prediction_id", "7", "Row 3: prediction_id is '7'; it should be an id."),
        ("prediction_created_at", "yesterday", "Row 3: prediction_created_at is 'yesterday'"),
        ("prediction_created_at", "2026-01-01T00:00:00", "Row 3: prediction_created_at"),
        ("truncated", "perhaps", "it should be true or false"),
        ("queue_ms", "fast", "it should be a number"),
        ("queue_ms", "nan", "it should be a number"),
        ("prediction_created_at", "0001-01-01T00:00:00+14:00", "it should be a time"),
        (
            "output",
            '[{"label": "x", "score": 5.0}]',
            "it should be labels, spans or a text as JSON",
        ),
        (
            "output",
            '[{"label": "x", "score": 0.1}, {"label": "y", "score": 0.9}]',
            "it should be labels, spans or a text as JSON",
        ),
        ("label", "joy", "Row 3: label is 'joy'; by its output it is 'positive'."),
        ("score", "0.71", "Row 3: score is 0.71; by its output it is 0.7."),
        ("output", "[]", "it should be labels, spans or a text as JSON"),
        ("output", '[{"label": 1, "score": 0.5}]', "it should be labels, spans or a text as JSON"),
        ("output", '{"label": "x"}', "it should be labels, spans or a text as JSON"),
        ("params", "[1]", "it should be a JSON object"),
        ("verdict", "sideways", "Row 3: verdict is 'sideways'; it should be up or down."),
        ("rating_id", "", "Row 3: rating_id is ''"),
    ],
)
def test_a_bad_cell_is_named_and_nothing_is_imported(
    sqlite_log: FeedbackLog, column: str, value: str, message: str
) -> None:
    stored = [entry(), entry()]
    sqlite_log.add(stored, [rating(one) for one in stored])
    file = changed(exported(sqlite_log), column, value)
    with empty_log() as log:
        with pytest.raises(CsvError) as caught:
            import_csv(log, io.BytesIO(file))
        assert message in str(caught.value)
        assert log.counts().predictions == 0


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "file is empty"),
        (",".join(reversed(COLUMNS)).encode(), "has its columns in another order"),
        (",".join((*COLUMNS, COLUMNS[0])).encode(), "has other columns"),
        (b"a,b\r\n1,2\r\n", "lacks the columns"),
        (";".join(COLUMNS).encode(), "separated by semicolons"),
        (",".join((*COLUMNS, "extra")).encode(), "has other columns"),
        (",".join(COLUMNS).encode() + b"\r\na,b\r\n", "Row 2 has 2 cells"),
        (b"\xff\xfe\x00binary\x80", "not UTF-8"),
        (",".join(COLUMNS).encode() + b'\r\n"never closed', "not CSV"),
    ],
)
def test_a_file_that_is_not_an_export_is_refused(
    sqlite_log: FeedbackLog, file: bytes, message: str
) -> None:
    with pytest.raises(CsvError, match=message):
        import_csv(sqlite_log, io.BytesIO(file))


def test_an_edited_row_changes_nothing_and_is_counted(sqlite_log: FeedbackLog) -> None:
    stored = [entry(), entry()]
    sqlite_log.add(stored, [rating(one) for one in stored])
    before = exported(sqlite_log)
    done = import_csv(sqlite_log, io.BytesIO(changed(before, "verdict", "down")))
    assert done == Imported(2, Added(0, 0, differing=1))
    assert exported(sqlite_log) == before


def test_rows_of_a_file_that_contradict_each_other_are_counted(sqlite_log: FeedbackLog) -> None:
    stored = entry()
    first = rating(stored)
    sqlite_log.add([stored], [first])
    header, row = exported(sqlite_log).splitlines(keepends=True)
    other = row.replace(b",up,", b",down,")
    assert other != row
    with empty_log() as log:
        file = header + row + other + row
        assert import_csv(log, io.BytesIO(file)) == Imported(3, Added(1, 1, differing=1))
        assert history(log, unrated=False) == [(stored, first)], "the first row counts"
        assert import_csv(log, io.BytesIO(file)) == Imported(3, Added(0, 0, differing=1))


def test_an_empty_line_at_the_end_does_not_matter(sqlite_log: FeedbackLog) -> None:
    sqlite_log.add([entry()], [])
    with empty_log() as log:
        assert import_csv(log, io.BytesIO(exported(sqlite_log) + b"\r\n")).rows == 1


def test_excel_may_write_booleans_in_capitals(sqlite_log: FeedbackLog) -> None:
    stored = [entry(), entry()]
    sqlite_log.add(stored, [rating(one) for one in stored])
    with empty_log() as log:
        import_csv(log, io.BytesIO(changed(exported(sqlite_log), "truncated", "TRUE")))
        assert [row.prediction.truncated for row, _ in history(log, unrated=True)] == [False, True]


def test_a_cell_may_be_longer_than_the_csv_modules_own_limit(sqlite_log: FeedbackLog) -> None:
    sqlite_log.add([entry("x" * 200_000)], [])
    with empty_log() as log:
        assert import_csv(log, io.BytesIO(exported(sqlite_log))).added.predictions == 1


@pytest.mark.parametrize("lacking", [list(LATER), ["sampling", "attribution"]])
def test_a_file_of_an_older_version_is_imported(
    sqlite_log: FeedbackLog, lacking: list[str]
) -> None:
    stored = [entry("a, b"), entry(runtime="torch")]
    sqlite_log.add(stored, [rating(stored[0])])
    rows = list(csv.reader(io.StringIO(exported(sqlite_log).decode("utf-8-sig"))))
    kept = [at for at, name in enumerate(rows[0]) if name not in lacking]
    older = io.StringIO()
    csv.writer(older).writerows([row[at] for at in kept] for row in rows)
    with empty_log() as log:
        assert import_csv(log, io.BytesIO(older.getvalue().encode())).rows == 2
        assert exported(log) == exported(sqlite_log)


def test_json_that_was_stored_with_spaces_is_exported_without(tmp_path: Path) -> None:
    """As version 0.1.0 stored it; a space within a text stays."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    log = FeedbackLog(url)
    log.add([entry(params={"template": "a: b, c"})], [])
    before = exported(log)
    with sa.create_engine(url).begin() as connection:
        for column in ("params", "output"):
            (stored,) = connection.exec_driver_sql(f"SELECT {column} FROM predictions").scalars()
            spaced = json.dumps(json.loads(stored))
            assert spaced != stored
            connection.exec_driver_sql(f"UPDATE predictions SET {column} = ?", (spaced,))
    assert exported(log) == before
    log.close()
