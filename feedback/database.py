"""The database of the log: engine, pragmas, transactions and schema. Stores no records."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from feedback.errors import FeedbackError, LogUnavailable
from feedback.records import compact_json
from feedback.totals import rebuild

logger = logging.getLogger(f"tryout.{__name__}")

BUSY_TIMEOUT_S = 2.0  # the wait of an SQLite writer for another
CONNECT_TIMEOUT_S = 5
_WRITES = "tryout_writes"
NEWEST = "head"  # the version of the schema that this code needs


class Database:
    """Connections to a database with the newest schema."""

    def __init__(self, url: str) -> None:
        """Opens `url`, creates the folder of an SQLite file, and runs the migrations.

        Raises LogUnavailable if that fails now, FeedbackError for a URL that can never work.
        """
        parsed = _parse(url)
        self.name = parsed.get_backend_name()
        try:
            self._engine = _engine(parsed)
        except (NoSuchModuleError, ImportError) as error:
            raise FeedbackError(
                f"DATABASE_URL begins with {parsed.drivername!r}, and there is no driver for that "
                "here. Install one, or use postgresql:// or sqlite:///."
            ) from error
        # To notice that the file went away: SQLite would go on writing into a deleted file.
        self._file = _file(parsed)
        self._inode: int | None = None
        try:
            self._prepare()
        except LogUnavailable as error:
            cause = getattr(error.__cause__, "orig", None)
            if getattr(cause, "sqlite_errorcode", None) != sqlite3.SQLITE_NOTADB:
                raise
            raise FeedbackError(
                f"{self._file or 'The file of the log'} is not an SQLite database. Name another "
                "file; the log makes one that is not there."
            ) from error

    def _prepare(self) -> None:
        """Creates the folder of an SQLite file, and brings the schema up to date."""
        try:
            if self._file:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            self._engine.dispose()
            with self._transaction(write=True) as connection:
                _migrate(connection)
            self._inode = self._file.stat().st_ino if self._file else None
        except OSError as error:
            raise self._unavailable(error) from error

    @contextmanager
    def connect(self, *, write: bool = False) -> Iterator[sa.Connection]:
        """A connection in a transaction; with `write` no other writer comes in between.

        Raises LogUnavailable if the database is away or busy, FeedbackError if it refuses a value.
        """
        if self._moved():
            logger.error("The feedback log's file was deleted or replaced; it is opened anew")
            self._prepare()
        with self._transaction(write=write) as connection:
            yield connection

    def _moved(self) -> bool:
        """True if another SQLite file is in the place of the one that was opened, or none."""
        try:
            return self._file is not None and self._file.stat().st_ino != self._inode
        except OSError:
            return True

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(**{_WRITES: write})
                with connection.begin():
                    yield connection
        except (IntegrityError, DataError) as error:
            logger.exception("The feedback log refused a value")
            raise FeedbackError(
                f"The feedback log refused what it was given ({_detail(error)}). "
                "Report this to the owner of the app."
            ) from error
        except SQLAlchemyError as error:
            raise self._unavailable(error) from error

    def own_connection(self) -> sa.Connection:
        """A connection that belongs to no pool and has no transaction; its owner closes it.

        Raises LogUnavailable if the database is away.
        """
        try:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()
            return connection
        except SQLAlchemyError as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        self._engine.dispose()

    def _unavailable(self, error: Exception) -> LogUnavailable:
        logger.error("The feedback log cannot be reached or written", exc_info=error)
        # A server's error may name hosts and users, which are the owner's business.
        shown = _detail(error) if self.name == "sqlite" else type(error).__name__
        return LogUnavailable(
            f"The feedback log cannot be reached or written ({shown}). Try again in a moment; "
            "if that does not help, the owner finds the details in the app's log."
        )


def _file(url: sa.URL) -> Path | None:
    """The file of an SQLite database, unless its name is a URI."""
    plain = url.get_backend_name() == "sqlite" and "uri" not in url.query
    return Path(str(url.database)) if plain else None


def _detail(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().split("\n")[0]


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (SQLAlchemyError, ValueError) as error:
        raise FeedbackError(
            "DATABASE_URL is not a database URL. One looks like "
            "postgresql://user:password@host:5432/name."
        ) from error
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise FeedbackError("DATABASE_URL names an SQLite database in memory; name a file.")
    return parsed


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "postgresql":
        return sa.create_engine(
            url,
            json_serializer=compact_json,
            pool_pre_ping=True,
            pool_timeout=CONNECT_TIMEOUT_S,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
        )
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, json_serializer=compact_json, pool_pre_ping=True)
    engine = sa.create_engine(
        url,
        json_serializer=compact_json,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={"timeout": BUSY_TIMEOUT_S},
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that reads and then writes fails at once if another wrote in between; a
        # transaction that takes the write lock first waits for its turn.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _migrate(connection: sa.Connection) -> None:
    """Brings the schema up to date, and the totals if a migration that ran changes them."""
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        # Two processes that start together: the second waits, then finds nothing to do.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7409216)"))
    context = MigrationContext.configure(connection)
    before = context.get_current_revision()
    try:
        command.upgrade(config, NEWEST)
    except CommandError as error:
        raise FeedbackError(
            "The feedback log was written by a newer version of this app. Update the app, or "
            "name another database."
        ) from error
    if before is None:
        return  # a new log has nothing to count
    ran = ScriptDirectory.from_config(config).iterate_revisions(
        context.get_current_revision(), before
    )
    if any(getattr(script.module, "REBUILDS", False) for script in ran):
        rebuild(connection)
