"""Many rows into a table by the quickest way of the database. Knows no job."""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa


def insert_many(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows, which have the same columns, by COPY where there is it.

    The values go through the same types as elsewhere, a column at a time. Raises the errors of
    SQLAlchemy.
    """
    if not rows:
        return
    names = list(rows[0])
    columns = [_stored(connection, table.c[name], [row[name] for row in rows]) for name in names]
    stored = list(zip(*columns, strict=True))
    quote = connection.dialect.identifier_preparer.quote
    listed = f"{quote(table.name)} ({', '.join(map(quote, names))})"
    if connection.dialect.name == "postgresql":
        _copy(connection, f"COPY {listed} FROM STDIN", stored)
    else:
        marks = ", ".join("?" * len(names))
        # The names are ours, of the tables of this package.
        connection.exec_driver_sql(f"INSERT INTO {listed} VALUES ({marks})", stored)  # noqa: S608


def _stored(connection: sa.Connection, column: sa.Column[Any], values: list[Any]) -> list[Any]:
    """Values as the driver takes them."""
    dialect = connection.dialect
    processor: Callable[[Any], Any] | None = column.type.dialect_impl(dialect).bind_processor(
        dialect
    )
    return values if processor is None else list(map(processor, values))


def _copy(connection: sa.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    dbapi: Any = connection.dialect.loaded_dbapi
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copying:
            for row in rows:
                copying.write_row(row)
    except dbapi.Error as error:  # SQLAlchemy does not see what goes past it
        raise sa.exc.DBAPIError.instance(
            statement, None, error, dbapi.Error, dialect=connection.dialect
        ) from error
