"""Texts as JSON for a shell and as literals of Python: nothing is lost, and nothing is hidden."""

import ast
import json

from hypothesis import given
from hypothesis import strategies as st

from ui.parts.quoting import as_json, as_python


@given(st.text(st.characters(exclude_categories=())))
def test_quoting_keeps_the_text_and_shows_all_of_it(text: str) -> None:
    written, literal = as_json(text), as_python([text, {"a": text}])
    assert ast.literal_eval(literal) == [text, {"a": text}]
    assert json.loads(written) == json.loads(json.dumps(text))
    assert written.isprintable()
    assert "'" not in written
    assert literal.isprintable()
