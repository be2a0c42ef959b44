"""A run that another click has overtaken ends at a read of the session's state, and leaves nothing.

Streamlit raises out of any such read. Two runs at once cannot be had in AppTest, so the session's
state is replaced by a dict whose reads end as Streamlit's do.
"""

from typing import Any
from uuid import uuid4

import pytest

from model import Generation
from tests.helpers.entries import entry
from ui import state, try_page
from ui.compare import side_by_side
from ui.parts import typed


class Overtaken(Exception):
    """Streamlit's own exceptions for this are not public."""


class Session(dict[str, Any]):
    """A session's state of which only some more reads come back."""

    reads_left = 10**6

    def _read(self) -> None:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise Overtaken

    def __contains__(self, key: object) -> bool:
        self._read()
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self._read()
        return super().__getitem__(key)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    session = Session()
    monkeypatch.setattr("streamlit.session_state", session)
    return session


def test_its_generation_is_not_left_to_the_next_question(session: Session) -> None:
    class Overtaking:
        def stream(self, text: str, params: Any) -> Generation:
            session.reads_left = 0
            generation = Generation(lambda ids: "", readers_stay=False)
            generation.stop()  # whoever waits for it all the same does not wait long
            return generation

    with pytest.raises(Overtaken):
        try_page._generate(Overtaking(), "a text", {})  # type: ignore[arg-type]
    session.reads_left = 10
    assert state.try_page().generation is None


def test_a_pick_that_is_not_stored_is_not_shown_as_one(session: Session) -> None:
    pair = state.Pair(uuid4(), entry("a"), entry("a"))
    state.compare_page().pair = pair
    session.reads_left = 2  # the pair, and no outbox
    with pytest.raises(Overtaken):
        side_by_side._pick(pair, "first")
    session.reads_left = 10
    assert state.compare_page().pair == pair


def test_a_field_that_is_filled_by_half_is_not_taken_for_typed(session: Session) -> None:
    state.session()
    session.reads_left = 1  # that the field is new
    with pytest.raises(Overtaken):
        typed.fill("correction", "the output")
    session.reads_left = 10
    assert typed.untaken("correction") is None
    typed.fill("correction", "the output")
    assert session["correction"] == "the output"
    assert typed.untaken("correction") is None
