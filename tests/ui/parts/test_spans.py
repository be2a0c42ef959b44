"""Spans as marks in a text and as rows of a table."""

import json
import re
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.corrections import spans_to_text
from model.prediction import Span, Spans
from ui.parts.spans import HUES, corrected, edited, hues, marked_html, span_rows
from ui.parts.text import printable

TEXT = "Ada met Ada in Paris."


def marked(text: str, *spans: tuple[str, int, int]) -> str:
    """The HTML with marks as [..] and labels as (..)."""
    made = [Span(label, 0.9, start, end) for label, start, end in spans]
    html = marked_html(text, made, {span.label: span.label for span in made})
    html = re.sub(r'<mark class="span( over)?"[^>]*>', lambda m: "[[" if m[1] else "[", html)
    return re.sub(r"<b [^>]*>(.*?)</b>", r"(\1)", html.replace("</mark>", "]"))


@pytest.mark.parametrize(
    ("spans", "shown"),
    [
        ([], "Ada met Ada in Paris."),
        ([("PER", 0, 3)], "[Ada](PER) met Ada in Paris."),
        ([("PER", 0, 3), ("PER", 3, 7)], "[Ada](PER)[ met](PER) Ada in Paris."),
        ([("LOC", 15, 21)], "Ada met Ada in [Paris.](LOC)"),
        ([("A", 0, 7), ("B", 4, 11)], "[Ada ][[met](A)[ Ada](B) in Paris."),
        ([("A", 0, 11), ("B", 4, 7)], "[Ada ][[met](B)[ Ada](A) in Paris."),
        ([("A", 0, 3), ("B", 0, 3)], "[[Ada](A)(B) met Ada in Paris."),
        ([("A", 15, 99)], "Ada met Ada in [Paris.](A)"),
        ([("A", 3, 3), ("B", 50, 60)], "Ada met Ada in Paris."),
    ],
)
def test_marks(spans: list[tuple[str, int, int]], shown: str) -> None:
    assert marked(TEXT, *spans) == shown


@given(
    st.text(st.characters(), max_size=30),
    st.lists(st.tuples(st.sampled_from("AB<"), st.integers(0, 35), st.integers(0, 35)), max_size=6),
)
def test_the_text_is_whole_and_never_markup(text: str, raw: list[tuple[str, int, int]]) -> None:
    spans = [Span(label, 0.5, min(a, b), max(a, b)) for label, a, b in raw]
    html = marked_html(text, spans, {s.label: s.label for s in spans})
    without_labels = re.sub(r'<b class="span-label"[^>]*>.*?</b>', "", html)
    plain = re.sub(r"</?mark[^>]*>", "", without_labels)
    assert "<" not in plain
    assert unescape(plain) == printable(text)


def test_labels_have_different_hues_as_long_as_there_are_some() -> None:
    labels = [Span(f"L{n}", 0.5, 0, 1) for n in range(len(HUES))]
    assert len(set(hues(labels).values())) == len(HUES)
    more = [*labels, Span("one more", 0.5, 0, 1)]
    assert hues(more)["one more"] in HUES
    assert hues(labels[:1]) == hues([labels[0], labels[0]])


# --- correcting -----------------------------------------------------------------------------------

FOUND = Spans((Span("PER", 0.9, 0, 3), Span("LOC", 0.8, 15, 20)))


def said(rows: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return [(span.label, span.start, span.end) for span in corrected(TEXT, rows).spans]


def test_rows_start_from_what_was_said_last() -> None:
    assert span_rows(TEXT, FOUND, "") == [
        {"text": "Ada", "label": "PER", "start": 0},
        {"text": "Paris", "label": "LOC", "start": 15},
    ]
    stored = spans_to_text(corrected(TEXT, span_rows(TEXT, FOUND, "")[1:]).spans)
    assert json.loads(stored) == [{"label": "LOC", "start": 15, "end": 20}]
    assert span_rows(TEXT, FOUND, stored) == [{"text": "Paris", "label": "LOC", "start": 15}]
    assert span_rows(TEXT, FOUND, "[]") == [], "nothing is an answer"


@pytest.mark.parametrize(
    "odd",
    [
        "no JSON",
        "[7]",
        "{}",
        "7",
        "[" * 100_000,
        '[{"label": "x"}]',
        '[{"label": "x", "start": "a", "end": 2}]',
        '[{"label": null, "start": 0, "end": 2}]',
        '[{"label": "x", "start": 3, "end": 2}]',
        '[{"label": "x", "start": 0, "end": 1e999}]',
    ],
)
def test_a_correction_from_elsewhere_leaves_the_models_spans(odd: str) -> None:
    assert span_rows(TEXT, FOUND, odd) == span_rows(TEXT, FOUND, "")


def test_rows_are_edited_deleted_and_added() -> None:
    rows = span_rows(TEXT, FOUND, "")
    changes = {
        "edited_rows": {0: {"label": "ORG"}},
        "deleted_rows": [1],
        "added_rows": [{"text": "Ada", "label": "PER"}],
    }
    assert said(edited(rows, changes)) == [("ORG", 0, 3), ("PER", 0, 3)]


def test_words_that_are_there_twice_mean_the_nearest_free_one() -> None:
    assert said([{"text": "Ada", "label": "PER", "start": 9}]) == [("PER", 8, 11)]
    assert said([{"text": "Ada", "label": "PER"}] * 2) == [("PER", 0, 3), ("PER", 8, 11)]


def test_words_within_other_words_are_a_span_of_their_own() -> None:
    rows: list[dict[str, Any]] = [
        {"text": "Ada", "label": "PER", "start": 0},
        {"text": "Ada met", "label": "PER"},
    ]
    assert said(rows) == [("PER", 0, 3), ("PER", 0, 7)]


def test_a_row_that_is_not_ready_is_told_and_the_others_count() -> None:
    rows: list[dict[str, Any]] = [
        {"text": "Ada", "label": "PER"},
        {"text": "Rome", "label": "LOC"},
        {"text": "met", "label": None},
        {"text": None, "label": "LOC"},
        {"text": None, "label": None},
        {"text": "Paris", "label": "LOC"},
        {"text": "Paris", "label": "LOC"},
    ]
    made = corrected(TEXT, rows)
    assert [(span.label, span.start) for span in made.spans] == [("PER", 0), ("LOC", 15)]
    assert made.problems == (
        "“Rome” is not in the text.",
        "“met” has no label yet.",
        "A row with the label LOC has no text yet.",
        "“Paris” is not in the text once more.",
    )
