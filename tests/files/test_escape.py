"""The escapes are reversible for every string, and reach every string that needs them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from files.escape import guarded, joined, storable, unguarded, unstorable

any_text = st.text(st.characters()) | st.text(st.sampled_from("\x10\x00\ud8000af='+-@\t\r\n ＝"))


@given(any_text)
def test_storable_is_reversible(text: str) -> None:
    assert unstorable(storable(text)) == text


@given(any_text)
def test_storable_can_be_stored(text: str) -> None:
    assert b"\0" not in storable(text).encode("utf-8")


@given(any_text | st.text(st.sampled_from("\ud800\udbff\udc00\udfffa")))
def test_joined_is_what_json_gives_back(text: str) -> None:
    assert joined(text) == json.loads(json.dumps(text))


@given(any_text)
def test_guarded_is_reversible(text: str) -> None:
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@x", "\tx", "\rx", " =1", "\n=1", "＝1", "'=1"]
)
def test_what_a_spreadsheet_would_run_is_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", "'tis", "1-1", "it's =", "中文"])
def test_what_it_would_not_run_is_left_alone(text: str) -> None:
    assert guarded(text) == unguarded(text) == storable(text) == text
