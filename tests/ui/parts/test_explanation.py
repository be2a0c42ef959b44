"""The words that speak for a label, as HTML."""

import re

from model import Attribution, Weight
from ui.parts.explanation import attribution_html

TEXT = "<b>Good</b> food,\nbad & slow"


def html(*weights: Weight, words_each: int = 1) -> str:
    return attribution_html(TEXT, Attribution("pos<itive", words_each, weights), str)


def test_text_is_text_and_whole() -> None:
    made = html(Weight(0, 11, 0.5), Weight(12, 17, 0.0), Weight(18, 21, -0.25), Weight(22, 23, 0.1))
    shown = made.split('dir="auto">')[1].split("</p>")[0]
    plain = re.sub(r"<[^>]*>", "", shown)
    assert plain == "&lt;b&gt;Good&lt;/b&gt; food,\nbad &amp; slow"
    assert "for pos&lt;itive" in made
    assert "<b>" not in made


def test_the_side_and_the_strength_are_marked() -> None:
    made = html(Weight(0, 11, 0.5), Weight(18, 21, -0.25), Weight(24, 28, 0.0))
    marks = re.findall(r'<mark class="(\w+)" style="--much:(\d+)%" title="([^"]*)">', made)
    assert marks[:2] == [
        ("for", "55", "50.0 points lower without"),
        ("against", "32", "25.0 points higher without"),
    ]
    assert "slow" in made.split("<mark")[2].split("</mark>")[1], "what weighs nothing has no mark"
    assert "<bdi>“&lt;b&gt;Good&lt;/b&gt;”</bdi> −50, <bdi>“bad”</bdi> +25 points." in made


def test_nothing_that_weighs_is_no_division_by_nothing() -> None:
    made = html(Weight(0, 11, 0.0), Weight(12, 17, 0.0))
    assert "No word by itself" in made
    assert "Every 3 neighbouring words were" in html(Weight(0, 11, 0.1), words_each=3)
