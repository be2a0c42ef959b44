"""What the card says, and that nothing in it becomes markup."""

import pytest

from model.prediction import GeneratedText, Span, Spans
from tests.helpers.entries import entry, labels
from ui.parts.card import card_html, growing_html


def card(
    *scores: tuple[str, float], text: str = "a text", multi_label: bool = False, **changes: object
) -> str:
    return card_html(
        entry(text, output=labels(*scores, multi_label=multi_label), **changes).prediction, str
    )


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


def test_several_labels_are_chosen_at_the_threshold() -> None:
    made = card(("a", 0.9), ("b", 0.8), ("c", 0.1), multi_label=True)
    assert '<span dir="auto">a, b</span>' in made
    assert made.count('class="bar chosen"') == 2
    assert "Close call" not in made
    none = card(("a", 0.45), ("b", 0.1), multi_label=True)
    assert '<span dir="auto">No label</span>' in none
    assert "<b>Close call</b>: a just does not apply." in none
    assert "a just applies" in card(("a", 0.55), multi_label=True)


def test_many_labels_are_folded() -> None:
    made = card(*((f"label {n}", 1 - n / 100) for n in range(30)))
    shown, folded = made.split("<details>")
    assert (shown.count("role="), folded.count("role=")) == (12, 18)
    assert "18 more labels" in folded


def test_a_lone_label_that_is_not_sure() -> None:
    assert "<b>Not sure</b>: only 10 %" in card(("a", 0.1))


def test_a_word_piece_of_spaces_can_be_seen() -> None:
    assert "&#x27;\\n&#x27;" in card(("\n", 0.5))


def test_labels_have_the_owners_names() -> None:
    made = card_html(
        entry(output=labels(("LABEL_1", 0.9))).prediction, {"LABEL_1": "yes"}.__getitem__
    )
    assert "yes" in made
    assert "LABEL_1" not in made


def test_spans_are_marked_and_listed() -> None:
    output = Spans((Span("PER", 0.9, 0, 3), Span("<b>", 0.5, 2, 5)))
    made = card_html(entry("Ada <i>", output=output).prediction, str)
    assert "Ada (PER)" in made
    assert "&lt;b&gt;" in made
    assert "<i>" not in made
    nothing = card_html(entry("Ada", output=Spans(())).prediction, str)
    assert "<b>Nothing found</b>" in nothing
    assert "Scores" not in nothing


@pytest.mark.parametrize(
    ("output", "note"),
    [
        (GeneratedText("a", 1, "length"), "<b>Ended</b> after 1 token, as many as were asked for."),
        (GeneratedText("a", 1234, "stopped"), "<b>Stopped</b> after 1,234 tokens."),
        (GeneratedText(" ", 0, "end"), "<b>Nothing</b>: the model ended the text at once."),
    ],
)
def test_how_a_generated_text_ended(output: GeneratedText, note: str) -> None:
    assert note in card_html(entry(output=output).prediction, str)


def test_a_generated_text_is_text() -> None:
    text = GeneratedText("<script>**x**\nsecond line", 5, "end")
    made = card_html(entry(output=text, truncated=True, inference_ms=61_000.0).prediction, str)
    assert "&lt;script&gt;**x**\nsecond line" in made
    assert "its beginning was not read" in made
    assert "61.0 s" in made
    growing = growing_html("<a>", "<b>")
    assert "&lt;a&gt;" in growing
    assert "&lt;b&gt;" in growing


def test_text_labels_and_model_are_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>"
    made = card((evil, 0.9), ("no", 0.1), text=evil, model_id=evil, model_revision='"><b>')
    assert "<img" not in made
    assert "<b>" not in made
    assert made.count("&lt;img src=x onerror=alert(1)&gt;") == 5


def test_the_text_that_the_model_read_is_text_and_a_long_one_is_folded() -> None:
    scores = (("yes", 0.9), ("no", 0.1))
    assert "The model read" not in card(*scores)
    made = card(*scores, text="@ada <b>", read="@user <b>")
    assert "<b>The model read</b>: <bdi>@user &lt;b&gt;</bdi>" in made
    long = card(*scores, read="word " * 200)
    assert "<summary><b>The model read</b>: <bdi>word word" in long
    assert "word…</bdi></summary>" in long
    assert "word " * 200 in long


def test_spans_are_shown_in_the_text_that_they_are_of() -> None:
    spans = Spans((Span("PER", 0.9, 0, 3),))
    made = card_html(entry("ADA wrote.", read="ada wrote.", output=spans).prediction, str)
    assert ">ADA</mark>" in made
    assert "<b>The model read</b>: <bdi>ada wrote.</bdi>" in made
    made = card_html(entry("@ada_l wrote.", read="Ada wrote.", output=spans).prediction, str)
    assert ">Ada</mark>" in made
    assert "@ada_l wrote.</blockquote>" in made
    assert "<b>The model read</b> the text below" in made
