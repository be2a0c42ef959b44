"""Rows of an SQL query, streamed from a cursor of the server."""

from collections.abc import Callable

from files.sources.rows import Source


def open_query(
    sql: str,
    url: str,
    *,
    text_column: str,
    key_column: str = "",
    on_away: Callable[[bool], object] = lambda is_away: None,
) -> Source:
    raise NotImplementedError
