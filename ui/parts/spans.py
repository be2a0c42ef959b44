"""Spans of a text: shown as marks in it, and corrected as rows of a table. Knows no Streamlit.

A span may begin at the first character, touch or overlap another span, or lie outside the text, as
spans of an imported file can.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from feedback.corrections import spans_from_text
from model.prediction import Span, Spans
from ui.parts.text import as_html, shortened

HUES = (172, 28, 262, 330, 205, 95, 50, 0)


def hues(spans: Sequence[Span]) -> dict[str, int]:
    """A hue for each label: the same in all texts, different for two labels if the hues suffice."""
    taken: dict[str, int] = {}
    for label in dict.fromkeys(span.label for span in spans):
        first = zlib.crc32(label.encode("utf-8", "surrogatepass")) % len(HUES)
        order = [HUES[(first + step) % len(HUES)] for step in range(len(HUES))]
        taken[label] = next((hue for hue in order if hue not in taken.values()), order[0])
    return taken


def marked_html(text: str, spans: Sequence[Span], names: Mapping[str, str]) -> str:
    """`text` as HTML with a mark around each span, and after it the span's label."""
    colours = hues(spans)
    inside = [span for span in spans if span.start < min(span.end, len(text))]
    ends = {point for span in inside for point in (span.start, min(span.end, len(text)))}
    edges = sorted(ends | {0, len(text)})
    parts = []
    for start, end in pairwise(edges):
        covering = [span for span in inside if span.start <= start < span.end]
        piece = as_html(text[start:end])
        if covering:
            hue, kind = colours[covering[-1].label], " over" if len(covering) > 1 else ""
            piece = f'<mark class="span{kind}" style="--hue:{hue}">{piece}</mark>'
        parts.append(piece)
        parts += [
            f'<b class="span-label" style="--hue:{colours[span.label]}">'
            f"{as_html(names[span.label])}</b>"
            for span in covering
            if min(span.end, len(text)) == end
        ]
    return "".join(parts)


# --- correcting -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Corrected:
    """Spans that a reviewer gave, and a sentence for each row that gives none."""

    spans: tuple[Span, ...]
    problems: tuple[str, ...]


def span_rows(text: str, spans: Spans, correction: str) -> list[dict[str, Any]]:
    """The rows to correct: those of the stored correction, else those of the output."""
    stored = spans_from_text(correction)
    return [
        {"text": text[span.start : span.end], "label": span.label, "start": span.start}
        for span in (spans.items if stored is None else stored)
    ]


def edited(rows: Sequence[Mapping[str, Any]], changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`rows` with the changes of `st.data_editor`: rows edited, deleted and added."""
    deleted = set(changes["deleted_rows"])
    remaining = [
        {**row, **changes["edited_rows"].get(number, {})}
        for number, row in enumerate(rows)
        if number not in deleted
    ]
    return [*remaining, *(dict(row) for row in changes["added_rows"])]


def corrected(text: str, rows: Sequence[Mapping[str, Any]]) -> Corrected:
    """The spans that rows of words and labels stand for, in the order of the text.

    Of words that occur several times, the occurrence nearest to the row's start is taken that no
    row before has taken. A row without words or without a label is a problem; an empty row is not.
    """
    spans: list[Span] = []
    problems = []
    for row in rows:
        words, label = str(row.get("text") or "").strip(), str(row.get("label") or "").strip()
        if not words and not label:
            continue
        starts = _starts(text, words) if words else []
        occurrences = [Span(label, 1.0, start, start + len(words)) for start in starts]
        free = [span for span in occurrences if span not in spans]
        if not label:
            problems.append(f"“{shortened(words, max_chars=40)}” has no label yet.")
        elif not words:
            problems.append(f"A row with the label {label} has no text yet.")
        elif not free:
            again = " once more" if occurrences else ""
            problems.append(f"“{shortened(words, max_chars=40)}” is not in the text{again}.")
        else:
            row_start = row.get("start")
            near = 0 if row_start is None else int(row_start)
            spans.append(min(free, key=lambda span: abs(span.start - near)))
    spans.sort(key=lambda span: (span.start, span.end))
    return Corrected(tuple(spans), tuple(problems))


def _starts(text: str, words: str) -> list[int]:
    """All places where `words` begin in `text`, overlapping ones included."""
    starts, start = [], text.find(words)
    while start >= 0:
        starts.append(start)
        start = text.find(words, start + 1)
    return starts
