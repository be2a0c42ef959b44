"""Sources of SQL queries, on SQLite and PostgreSQL, over connections that break."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from files.errors import ReadingError
from files.sources import SourceRow, open_query, query
from tests.helpers.databases import Postgres

COUNT = 5000
MAKE = "CREATE TABLE reviews (id integer, words text)"
ORDERED = "SELECT id, words AS text FROM reviews ORDER BY id"


@pytest.fixture
def url(bare_url: str) -> str:
    """The URL of a database with COUNT reviews."""
    address = bare_url.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(MAKE))
        reviews = [{"id": n, "words": f"100 % good :so {n}"} for n in range(1, COUNT + 1)]
        connection.execute(sa.text("INSERT INTO reviews VALUES (:id, :words)"), reviews)
    return bare_url


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    with postgres_server.database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(MAKE)
            connection.execute(
                f"INSERT INTO reviews SELECT n, 'good ' || n FROM generate_series(1, {COUNT}) n"
            )
        yield url


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "AWAY_S", 0.01)
    monkeypatch.setattr(query, "BATCH_ROWS", 100)


def end_backends(url: str) -> int:
    """Ends all other connections to the database; their number."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        ).fetchone()
    return int(row[0]) if row else 0


def test_the_rows_of_a_query(url: str) -> None:
    sql = "SELECT id, words AS text FROM reviews WHERE words LIKE '%good :so%' ORDER BY id;\n"
    source = open_query(sql, url, text_column="Text", key_column="id")
    for _ in range(2):
        rows = list(source.rows())
        assert len(rows) == COUNT
        assert rows[0] == SourceRow("1", 0, "1", "100 % good :so 1")
        assert rows[-1].place == str(COUNT)
    assert source.name == "query"
    assert next(open_query(sql, url, text_column="text").rows()).key == "1"


def test_queries_that_differ_in_digits_are_of_one_kind(url: str) -> None:
    kinds = {
        open_query(sql, url, text_column="text").kind_name
        for sql in (
            "SELECT words AS text FROM reviews WHERE id > 20261128",
            "SELECT words AS  text\nFROM reviews WHERE id > 5;",
        )
    }
    assert len(kinds) == 1
    assert kinds != {open_query(ORDERED, url, text_column="text").kind_name}


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELEC 1", r"The query failed \(.*SELEC"),
        ("SELECT * FROM nothing", r"The query failed \(.*nothing"),
        ("DELETE FROM reviews", "The query"),
        ("DROP TABLE reviews", "The query"),
        ("", "The query"),
        ("SELECT id, words FROM reviews", 'There is no column "text", only "id", "words"'),
        ("SELECT id AS text, words AS text FROM reviews", "could be any of"),
    ],
)
def test_a_query_that_fails_is_a_sentence_and_changes_nothing(
    url: str, sql: str, reason: str
) -> None:
    with pytest.raises(ReadingError, match=reason) as caught:
        open_query(sql, url, text_column="text")
    assert "\n" not in str(caught.value)
    assert len(list(open_query(ORDERED, url, text_column="text").rows())) == COUNT


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "not the URL of a database"),
        ("foo://a", "there is no driver for that"),
        ("sqlite:///nothing.db", "no SQLite file nothing.db"),
        ("sqlite://", "no SQLite file"),
        ("postgresql://user:se@cret@127.0.0.1/x", "several @"),
        ("postgresql://user:secret@127.0.0.1:1/x", "refused"),
    ],
)
def test_a_url_that_cannot_be_used_is_a_sentence_without_its_password(
    url: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReadingError, match=reason) as caught:
        open_query("SELECT 1", url, text_column="text")
    assert "cret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_utf_8_make_one_bad_row(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("CREATE TABLE reviews (id, text)")
        reviews = [(1, b"caf\xe9"), (2, "café".encode()), (None, "café"), (4.5, None)]
        connection.executemany("INSERT INTO reviews VALUES (?, ?)", reviews)
    connection.close()
    sql, url = "SELECT * FROM reviews", f"sqlite:///{tmp_path / 'a.db'}"
    rows = list(open_query(sql, url, text_column="text", key_column="id").rows())
    assert [row.problem for row in rows] == [
        "the byte 0xE9 is not UTF-8",
        "",
        "its key is empty",
        "",
    ]
    assert [(row.key, row.text) for row in rows[1::2]] == [("2", "café"), ("4.5", "")]


def test_a_query_goes_on_after_its_connection_broke(postgres_url: str) -> None:
    away: list[bool] = []
    source = open_query(
        ORDERED, postgres_url, text_column="text", key_column="id", on_away=away.append
    )
    rows, ended = [], 0
    for row in source.rows():
        rows.append(row)
        if row.number in (0, 1000, 4000):
            ended += end_backends(postgres_url)
    assert ended == 3
    assert [row.key for row in rows] == [str(n) for n in range(1, COUNT + 1)]
    assert [row.number for row in rows] == list(range(COUNT))
    assert away == [True, False] * 3


@pytest.mark.parametrize(
    "change",
    ["INSERT INTO reviews VALUES (0, 'before all')", "DELETE FROM reviews WHERE id > 100"],
)
def test_rows_in_another_order_after_a_break_are_a_sentence(postgres_url: str, change: str) -> None:
    source = open_query(ORDERED, postgres_url, text_column="text")
    rows = source.rows()
    for _ in range(500):
        next(rows)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(change)
    end_backends(postgres_url)
    with pytest.raises(ReadingError, match=r"is another one now.*Add ORDER BY"):
        for _ in rows:
            pass


def test_a_database_that_stays_away_is_given_up(
    postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "LONGEST_AWAY_S", 0.05)
    away: list[bool] = []
    with postgres_server.database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(MAKE)
            connection.execute("INSERT INTO reviews SELECT n, 'x' FROM generate_series(1, 999) n")
        source = open_query(ORDERED, url, text_column="text", on_away=away.append)
        rows = source.rows()
        next(rows)
        name = url.rpartition("/")[2]
        with psycopg.connect(postgres_server.url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
        with pytest.raises(ReadingError, match=r"The query failed .*run this again"):
            for _ in rows:
                pass
    assert away == [True]
