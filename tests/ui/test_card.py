"""What the card says, and that nothing in it becomes markup."""

from tests.making import entry, labels
from ui.card import card_html
from ui.facts import facts_html, without_front_matter


def card(*scores: tuple[str, float], text: str = "a text", **changes: object) -> str:
    return card_html(entry(text, output=labels(*scores), **changes).prediction, str)


def test_every_label_has_a_bar_from_0_to_1() -> None:
    made = card(("yes", 0.75), ("no", 0.25))
    assert 'aria-valuenow="0.750"' in made
    assert "width:75.0%" in made
    assert made.index('aria-label="yes"') < made.index('aria-label="no"')


def test_a_small_margin_is_a_close_call() -> None:
    assert "Close call" in card(("yes", 0.55), ("no", 0.45))
    assert "Close call" not in card(("yes", 0.7), ("no", 0.3))


def test_a_cut_text_says_so() -> None:
    assert "its end was not read" in card(("yes", 0.9), ("no", 0.1), truncated=True)
    assert "its end was not read" not in card(("yes", 0.9), ("no", 0.1))


def test_nearly_all_is_not_called_all() -> None:
    made = card(("yes", 0.9996), ("no", 0.0004))
    assert "&gt; 99 %" in made
    assert "&lt; 1 %" in made
    assert "100 %" not in made


def test_text_labels_and_model_are_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>"
    made = card((evil, 0.9), ("no", 0.1), text=evil, model_id=evil, model_revision='"><b>')
    assert "<img" not in made
    assert "<b>" not in made
    assert made.count("&lt;img src=x onerror=alert(1)&gt;") == 5


def test_facts_are_escaped() -> None:
    assert "&lt;b&gt;" in facts_html({"a": "<b>"})


def test_front_matter_and_title_of_a_card_are_left_out() -> None:
    card_text = "---\nlicense: mit\n---\n\n# Name\n\nWhat it is.\n\n## Use\n#tag\n"
    assert without_front_matter(card_text) == "What it is.\n\n#### Use\n#tag"
    assert without_front_matter("Just text") == "Just text"
