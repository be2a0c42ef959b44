"""The texts of values that columns and queries give: numbers, dates, lists."""

import datetime as dt
import json
from typing import Any

from files.json_rows import as_text


def value_text(value: Any) -> str:
    """A value as the text of a cell: dates as in a workbook, all else as in JSON.

    "" for none, and for a float that is no number, as which pandas writes none.
    A byte that is not UTF-8 becomes a lone surrogate, by which `files.decoding` finds it.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and value != value:
        return ""
    if isinstance(value, bool | int | float):
        return as_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "surrogateescape")
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=value_text)
    if isinstance(value, dt.datetime):
        return str(value if value.time() != dt.time.min else value.date())
    return str(value)
