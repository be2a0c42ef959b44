"""Values in code to copy: as JSON for a shell, and as literals of Python, with all in sight.

Knows no request.
"""

import json
import re
from collections.abc import Mapping
from typing import Any


def as_json(value: Any) -> str:
    """JSON on a line, in which all is visible, and nothing ends the single quotes of a shell."""
    written = json.dumps(value, ensure_ascii=False)
    return "".join(
        char if char.isprintable() and char != "'" else _escape(char) for char in written
    )


def _escape(char: str) -> str:
    return re.sub("....", r"\\u\g<0>", char.encode("utf-16-be", "surrogatepass").hex())


def as_python(value: Any) -> str:
    """A Python literal on a line, in which all is visible."""
    if isinstance(value, str):  # repr puts a text that has single quotes only into double quotes
        return repr(value) if '"' in value else '"' + repr(f"'{value}")[2:]
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{as_python(k)}: {as_python(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_python, value))}]"
    return repr(value)
