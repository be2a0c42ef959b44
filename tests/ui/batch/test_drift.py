"""The drift card: its words, its bars, and that nothing in it becomes markup."""

import pytest

from feedback.jobs.drift import Distribution, drift
from ui.batch.drift import MOVED_LABELS, drift_html
from ui.parts import labels


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner gave labels no names."""
    monkeypatch.setattr("ui.batch.drift.name_of", str)


def of_labels(before: dict[str, int], now: dict[str, int]) -> str:
    found = drift(Distribution(before, {50: 9}, {}), Distribution(now, {50: 9}, {}))
    return drift_html(found, before_name="last <week>")


def test_the_label_that_moved_most_comes_first_with_both_shares() -> None:
    made = of_labels({"a": 500, "b": 300, "c": 200}, {"a": 490, "b": 110, "c": 400})
    assert "most of all c, 20.0 % before and 40.0 % now." in made
    assert made.index('aria-label="c: 20.0 % before, 40.0 % now"') < made.index('aria-label="a:')
    legend = " ".join(made.split())
    assert "this batch, 1,000 predictions" in legend
    assert "last &lt;week&gt;, 1,000" in legend
    assert "a small difference" in made or "a medium difference" in made
    assert "p &lt; 0.001" in made


def test_where_nothing_moved_it_says_so() -> None:
    made = of_labels({"a": 500, "b": 500}, {"a": 501, "b": 499})
    assert "Nothing moved much." in made
    assert made.count("no clear difference") == 1
    assert 'class="test clear"' not in made
    assert "too few to tell" in made, "of margins there are nine"
    assert "none to compare" in made, "of lengths there are none"


def test_an_empty_batch_has_no_bars() -> None:
    made = of_labels({}, {"a": 500})
    assert "Too few predictions to compare: one of the batches has 0." in made
    assert "pair" not in made


def test_labels_are_text_and_many_are_counted() -> None:
    many = {f"<b>{n}</b>": 100 + n for n in range(MOVED_LABELS + 2)}
    made = of_labels(many, dict(zip(many, reversed(list(many.values())), strict=True)))
    assert "<b>0" not in made
    assert made.count('class="pair"') == MOVED_LABELS
    assert "and 2 more labels" in made


def test_the_owner_names_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert labels.name_of is not str
    monkeypatch.setattr("ui.batch.drift.name_of", {"a": "Angry", "b": "Bored"}.__getitem__)
    made = of_labels({"a": 50, "b": 50}, {"a": 10, "b": 90})
    assert 'aria-label="Angry: ' in made
    assert "most of all Angry, 50.0 %" in made
