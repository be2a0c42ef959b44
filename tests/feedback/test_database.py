"""Opening a database: what is made, and what is said when that cannot be."""

import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from feedback import Entry, FeedbackError, FeedbackLog, LogUnavailable, Rating
from feedback.database import Database
from feedback.jobs import by_keys, store
from feedback.records import Counts, drawn, entry_values
from feedback.tables import metadata, predictions, ratings, tallies
from model.prediction import GeneratedText, new_id, now
from tests.helpers.databases import Postgres
from tests.helpers.entries import entry, rating
from tests.helpers.jobs import job_of, job_row

OLDER = {
    "0002": ("runtime", "rated", "draw", "down", "read"),
    "0003": ("draw", "down", "read"),
}  # without columns


def test_migrations_make_the_tables_that_the_code_declares(bare_url: str) -> None:
    database = Database(bare_url)
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_an_older_log_is_brought_up_to_date_with_all_that_is_in_it(
    bare_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, another = entry("kept"), entry("too")
    said = [rating(one, verdict="down"), rating(one), rating(one, "Bob", retracted=True)]
    with monkeypatch.context() as older:
        older.setattr("feedback.database.NEWEST", "0001")
        database = Database(bare_url)
        with database.connect(write=True) as connection:
            for stored in (one, another):
                values = entry_values(stored)
                del values["runtime"], values["draw"], values["read"]
                connection.execute(sa.insert(predictions).values(values))
            connection.execute(sa.insert(ratings), [_as_first(one) for one in said])
        database.close()
    log = FeedbackLog(bare_url)
    assert log.find(one.prediction.id) == one
    assert log.counts() == Counts(predictions=2, rated=1, up=1, down=0, reviewers=1)
    assert log.labels() == ["positive"]
    with Database(bare_url).connect() as connection:
        order = dict(connection.execute(sa.select(predictions.c.id, predictions.c.draw)).all())
    assert order == {stored.prediction.id: drawn(stored.prediction.id) for stored in (one, another)}
    generated = entry(output=GeneratedText("more", 1, "end"))
    log.add([generated], [rating(another), rating(generated)])
    assert log.find(generated.prediction.id) == generated
    assert log.counts().rated == 3
    log.close()


@pytest.mark.parametrize(("version", "lacks"), OLDER.items())
def test_totals_that_a_migration_adds_are_counted(
    bare_url: str, monkeypatch: pytest.MonkeyPatch, version: str, lacks: tuple[str, ...]
) -> None:
    stored = entry()
    values = {"rated": 0, "down": 0} | entry_values(stored)
    judged = [rating(stored), rating(stored, "Bob", verdict="down")]
    with monkeypatch.context() as older:
        older.setattr("feedback.database.NEWEST", version)
        database = Database(bare_url)
        with database.connect(write=True) as connection:
            prediction = {name: value for name, value in values.items() if name not in lacks}
            connection.execute(sa.insert(predictions).values(prediction))
            connection.execute(sa.insert(ratings), [_as_first(one) for one in judged])
        database.close()
    log = FeedbackLog(bare_url)
    assert log.counts() == Counts(predictions=1, rated=1, up=1, down=1, reviewers=2)
    log.close()


def test_totals_that_no_migration_changes_stay_as_they_are(
    bare_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To count a million ratings takes seconds, which a log that has its totals need not wait."""
    with monkeypatch.context() as older:
        older.setattr("feedback.database.NEWEST", "0004")
        database = Database(bare_url)
        with database.connect(write=True) as connection:
            assert "ix_ratings_random" in _indexes(connection)
            connection.execute(sa.insert(tallies).values(_tally(ratings=77)))
        database.close()
    log = FeedbackLog(bare_url)
    assert log.counts().up == 77
    with log.database.connect() as connection:
        assert "ix_ratings_random" not in _indexes(connection)
    log.close()


def _tally(**changes: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("model_id", "model_revision", "label"), "")
    return {"id": new_id(), "day": now().date(), "verdict": "up", **texts, **changes}


def _store(connection: sa.Connection, stored: Entry, judged: list[Rating]) -> None:
    """Stores a prediction and ratings with the columns of all schemas since 0004, not counted."""
    values = entry_values(stored)
    del values["read"]  # of 0007
    connection.execute(sa.insert(predictions).values(values))
    for one in judged:
        connection.execute(sa.insert(ratings).values(dataclasses.asdict(one)))


@pytest.mark.parametrize("version", ["0004", "0005", "0006"])
def test_a_log_from_before_jobs_takes_them_and_keeps_what_it_has(
    bare_url: str, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    stored = entry("kept")
    with monkeypatch.context() as older:
        older.setattr("feedback.database.NEWEST", version)
        database = Database(bare_url)
        with database.connect(write=True) as connection:
            _store(connection, stored, [rating(stored)])
            connection.execute(sa.insert(tallies).values(_tally(ratings=1)))
        database.close()
    log = FeedbackLog(bare_url)
    assert log.find(stored.prediction.id) == stored
    assert [one.reviewer for one in log.ratings_of(stored.prediction.id)] == ["Ada"]
    job = job_of(log)
    assert store(log, job, [job_row("k", "of a job")]).new == 1
    assert by_keys(log, job, ["k"])["k"].entry.prediction.input == "of a job"
    assert (log.counts().predictions, log.counts().up) == (2, 1)
    log.close()


def _indexes(connection: sa.Connection) -> set[str | None]:
    return {index["name"] for index in sa.inspect(connection).get_indexes("ratings")}


def _as_first(said: Rating) -> dict[str, Any]:
    values = dataclasses.asdict(said)
    return {n: v for n, v in values.items() if n not in ("sampling", "attribution")}


def test_opening_again_keeps_what_is_there(bare_url: str) -> None:
    for expected in (1, 2):
        log = FeedbackLog(bare_url)
        log.record(entry())
        assert log.counts().predictions == expected
        log.close()


def test_sqlite_gets_a_folder_wal_and_full_sync(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "yet.db"
    database = Database(f"sqlite:///{path}")
    with database.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    database.close()


@pytest.mark.usefixtures("short_lock_wait")
def test_a_locked_database_is_reported_and_works_again(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log, stored = FeedbackLog(f"sqlite:///{path}"), entry()
    log.record(stored)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LogUnavailable, match="database is locked"):
        log.rate(rating(stored))
    other.execute("ROLLBACK")
    other.close()
    assert log.rate(rating(stored))
    log.close()


def test_a_database_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.db").mkdir()
    for path in ("file/log.db", "folder.db"):
        with pytest.raises(LogUnavailable, match="cannot be reached or written"):
            FeedbackLog(f"sqlite:///{tmp_path / path}")


def test_a_file_that_is_no_database_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "garbage.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(FeedbackError, match="is not an SQLite database") as caught:
        FeedbackLog(f"sqlite:///{path}")
    assert not isinstance(caught.value, LogUnavailable)


def test_a_deleted_file_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "log.db"
    log = FeedbackLog(f"sqlite:///{path}")
    log.record(entry())
    for one in path.parent.iterdir():
        one.unlink()
    path.parent.rmdir()
    kept = entry("after that")
    log.record(kept)
    log.close()
    again = FeedbackLog(f"sqlite:///{path}")
    assert again.find(kept.prediction.id) == kept
    assert again.counts().predictions == 1
    assert again.labels() == [kept.prediction.label]
    again.close()


def test_a_read_only_database_can_be_read_and_a_write_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    FeedbackLog(f"sqlite:///{path}").close()
    log = FeedbackLog(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert log.counts().predictions == 0
    with pytest.raises(LogUnavailable, match="readonly"):
        log.record(entry())
    log.close()


def test_a_server_that_does_not_answer_is_reported_without_its_address() -> None:
    with pytest.raises(LogUnavailable) as caught:
        FeedbackLog("postgresql://user:secret@127.0.0.1:1/name")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("not a url", "is not a database URL"),
        ("postgresql://u:p@host:port/name", "is not a database URL"),
        ("foo://host/name", "begins with 'foo', and there is no driver"),
        ("mysql://host/name", "begins with 'mysql', and there is no driver"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
    ],
)
def test_a_url_that_can_never_work_is_refused(url: str, message: str) -> None:
    with pytest.raises(FeedbackError, match=message):
        FeedbackLog(url)


def test_a_log_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    FeedbackLog(url).close()
    with sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(FeedbackError, match="newer version"):
        FeedbackLog(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_usual_names_of_postgresql_work(postgres_server: Postgres, scheme: str) -> None:
    log = FeedbackLog(postgres_server.url.replace("postgresql", scheme, 1))
    assert log.counts().predictions >= 0
    log.close()
