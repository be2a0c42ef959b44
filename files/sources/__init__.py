"""Rows of files of any length and of an SQL query, streamed in flat memory.

Imports nothing of ours but the readers of uploads: knows neither the model nor the log.
"""

from files.sources.opening import open_source
from files.sources.query import open_query
from files.sources.rows import Source, SourceRow

__all__ = ["Source", "SourceRow", "open_query", "open_source"]
