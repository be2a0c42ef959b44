"""Rows of an SQL query, streamed from a cursor of the server, over connections that may break."""

import hashlib
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from files.decoding import undecoded_byte
from files.errors import ReadingError, SourceAway
from files.sources.columns import Wanted
from files.sources.rows import Cells, Source, SourceRow, numbered_rows
from files.sources.values import value_text

BATCH_ROWS = 1000
CONNECT_TIMEOUT_S = 10
AWAY_S, LONGEST_PAUSE_S = 1.0, 10.0  # between attempts to connect again
LONGEST_AWAY_S = 3600.0  # after which a database is not waited for any more
_KEEP_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def open_query(
    sql: str,
    url: str,
    *,
    text_column: str,
    key_column: str = "",
    on_away: Callable[[bool], object] = lambda is_away: None,
) -> Source:
    """The rows of a query, of any database that SQLAlchemy knows and a driver is installed for.

    Where a connection breaks it is made again, for an hour at most, and the query goes on behind
    the last row: `on_away` is called with True then, and with False once it goes on. Raises
    ReadingError if the query fails or lacks a column.
    """
    source = QuerySource(sql, url, Wanted(text_column, key_column), on_away)
    source.check()
    return source


class QuerySource(Source):
    """Rows of a query."""

    name = "query"

    def __init__(
        self, sql: str, url: str, wanted: Wanted, on_away: Callable[[bool], object]
    ) -> None:
        self._sql = sql.strip().rstrip(";")
        self._wanted = wanted
        self.text_column, self.key_column = wanted.text, wanted.key
        self._on_away = on_away
        self._url = _parse(url)
        self._engine = _engine(self._url)
        alike = re.sub(r"\d+", "#", " ".join(self._sql.split()))
        self.kind_name = f"query {hashlib.sha256(alike.encode()).hexdigest()[:12]}"

    def check(self) -> None:
        """Starts the query; raises ReadingError if that cannot be done."""
        try:
            with self._result() as result:
                self._wanted.places(list(result.keys()))
        except SQLAlchemyError as error:
            raise self._failed(error) from error

    def rows(self) -> Iterator[SourceRow]:
        with closing(self._cells()) as cells:
            yield from numbered_rows(cells, first=0, prefix="", has_key=bool(self._wanted.key))

    def _cells(self) -> Generator[Cells, None, None]:
        """The rows, over as many connections as it takes."""
        last: Cells | None = None
        away_since_s: float | None = None
        pause_s = AWAY_S
        while True:
            try:
                for cells in self._behind(last):
                    if away_since_s is not None:
                        away_since_s, pause_s = None, AWAY_S
                        self._on_away(False)
                    yield cells
                    last = cells
                if away_since_s is not None:
                    self._on_away(False)
                return
            except SQLAlchemyError as error:
                if not _is_away(error, again=away_since_s is not None):
                    raise self._failed(error) from error
                now_s = time.monotonic()
                if away_since_s is None:
                    away_since_s = now_s
                    self._on_away(True)
                elif now_s - away_since_s > LONGEST_AWAY_S:
                    raise self._failed(error) from error
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _behind(self, last: Cells | None) -> Iterator[Cells]:
        """The rows behind the last that was read, from a new connection."""
        number = 0
        with self._result() as result:
            text_place, key_place = self._wanted.places(list(result.keys()))
            for row in result:
                number += 1
                if last and number < last.number:
                    continue
                text = value_text(row[text_place])
                key = value_text(row[key_place]) if key_place >= 0 else ""
                if last and number == last.number:
                    if (text, key) != (last.text, last.key):
                        raise ReadingError(_other_order(number))
                    continue
                byte = "" if (text + key).isascii() else undecoded_byte(text + key)
                problem = f"the byte {byte} is not UTF-8" if byte else ""
                yield Cells(number, text, key, problem)
        if last and number < last.number:
            raise ReadingError(_other_order(last.number))

    @contextmanager
    def _result(self) -> Iterator[sa.CursorResult[Any]]:
        """The running query, which may not write."""
        connection = self._engine.connect()
        try:
            options: dict[str, Any] = {"yield_per": BATCH_ROWS, "stream_results": True}
            if self._url.get_backend_name() == "postgresql":
                options["postgresql_readonly"] = True
            connection = connection.execution_options(**options, no_parameters=True)
            result = connection.exec_driver_sql(self._sql)
            if not result.returns_rows:
                raise ReadingError("The query gives no rows. Write one that begins with SELECT.")
            yield result
        finally:
            with suppress(SQLAlchemyError):  # there is nothing to roll back where it broke
                connection.close()

    def _failed(self, error: SQLAlchemyError) -> ReadingError:
        detail = str(getattr(error, "orig", None) or error).strip().split("\n")[0][:300]
        secrets = (self._url.password, self._url.query.get("password"))
        for secret in secrets:
            detail = detail.replace(str(secret), "***") if secret else detail
        if isinstance(error, OperationalError | InterfaceError) and _is_away(error, again=True):
            return SourceAway(
                f"The query failed ({detail}). Check the URL, and that the database can be "
                "reached, and run this again."
            )
        return ReadingError(
            f"The query failed ({detail}). Correct it, and try it in the database's own shell."
        )


def _is_away(error: SQLAlchemyError, *, again: bool) -> bool:
    """True if a connection broke, or `again` cannot be made."""
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    # Without a statement it is the connection that failed.
    return again and isinstance(error, OperationalError | InterfaceError) and not error.statement


def _other_order(number: int) -> str:
    return (
        f"The connection broke, and row {number:,} of the query is another one now, so that it "
        "cannot be gone on with. Add ORDER BY with a column that is never twice the same, and run "
        "this again."
    )


def _parse(url: str) -> sa.URL:
    """The URL; raises ReadingError if it is none, or names an SQLite file that is not there."""
    try:
        parsed = sa.make_url(url)
    except (SQLAlchemyError, ValueError) as error:
        raise ReadingError(
            "That is not the URL of a database. One looks like "
            "postgresql://user:password@host:5432/name."
        ) from error
    if "@" in (parsed.host or ""):
        raise ReadingError("The URL has several @. Write one in a password as %40.")
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    is_file = parsed.get_backend_name() == "sqlite" and "uri" not in parsed.query
    if is_file and not Path(parsed.database or "").is_file():
        name = parsed.database or "without a name"
        raise ReadingError(f"There is no SQLite file {name}. Check its name and folder.")
    return parsed


def _engine(url: sa.URL) -> sa.Engine:
    """Connections that are made anew for each query, and find out that a server is gone."""
    backend = url.get_backend_name()
    arguments: dict[str, Any] = {}
    if backend == "postgresql":
        arguments = {"connect_timeout": CONNECT_TIMEOUT_S, **_KEEP_ALIVE}
    try:
        engine = sa.create_engine(url, poolclass=NullPool, connect_args=arguments)
    except (SQLAlchemyError, ImportError) as error:
        raise ReadingError(
            f"The URL begins with {url.drivername!r}, and there is no driver for that here. "
            "Install one, or use postgresql:// or sqlite:///."
        ) from error
    if backend == "sqlite":
        sa.event.listen(engine, "connect", _forbid_writing)
    return engine


def _forbid_writing(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only = ON")
