"""Spans of a text: shown as marks in it, and corrected as rows of a table. Knows no Streamlit.

A span is shown wherever it is: at the first character, touching another, overlapping one, or
outside the text, as an imported one can be.
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
    """A hue for each label, the same from text to text, and different ones if they suffice."""
    taken: dict[str, int] = {}
    for label in dict.fromkeys(span.label for span in spans):
        first = zlib.crc32(label.encode("utf-8", "surrogatepass")) % len(HUES)
        order = [HUES[(first + step) % len(HUES)] for step in range(len(HUES))]
        taken[label] = next((hue for hue in order if hue not in taken.values()), order[0])
    return taken


def marked_html(text: str, spans: Sequence[Span], names: Mapping[str, str]) -> str:
    """`text` as HTML with a mark around each span and its label behind it."""
    colours = hues(spans)
    inside = [span for span in spans if span.start < min(span.end, len(text))]
    ends = {point for span in inside for point in (span.start, min(span.end, len(text)))}
    edges = sorted(ends | {0, len(text)})
    parts = []
    for start, end in pairwise(edges):
        over = [span for span in inside if span.start <= start < span.end]
        piece = as_html(text[start:end])
        if over:
            hue, kind = colours[over[-1].label], " over" if len(over) > 1 else ""
            piece = f'<mark class="span{kind}" style="--hue:{hue}">{piece}</mark>'
        parts.append(piece)
        parts += [
            f'<b class="span-label" style="--hue:{colours[span.label]}">'
            f"{as_html(names[span.label])}</b>"
            for span in over
            if min(span.end, len(text)) == end
        ]
    return "".join(parts)


# --- correcting -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Corrected:
    """Spans that a reviewer gave, and what could not be made one, in words."""

    spans: tuple[Span, ...]
    problems: tuple[str, ...]


def span_rows(text: str, spans: Spans, correction: str) -> list[dict[str, Any]]:
    """The rows to correct: what was stored as a correction, else what the model found."""
    said = spans_from_text(correction)
    return [
        {"text": text[span.start : span.end], "label": span.label, "start": span.start}
        for span in (spans.items if said is None else said)
    ]


def edited(rows: Sequence[Mapping[str, Any]], changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`rows` after what `st.data_editor` says was edited, deleted and added."""
    gone = set(changes["deleted_rows"])
    kept = [
        {**row, **changes["edited_rows"].get(i, {})} for i, row in enumerate(rows) if i not in gone
    ]
    return [*kept, *(dict(row) for row in changes["added_rows"])]


def corrected(text: str, rows: Sequence[Mapping[str, Any]]) -> Corrected:
    """The spans that rows of words and labels mean, in the order of the text.

    Words that occur several times mean the occurrence that is nearest to where the row was, and
    that no row before it has taken. A row without words or without a label is not ready yet.
    """
    spans: list[Span] = []
    problems = []
    for row in rows:
        words, label = str(row.get("text") or "").strip(), str(row.get("label") or "").strip()
        if not words and not label:
            continue
        starts = _occurrences(text, words) if words else []
        made = [Span(label, 1.0, start, start + len(words)) for start in starts]
        free = [span for span in made if span not in spans]
        if not label:
            problems.append(f"“{shortened(words, max_chars=40)}” has no label yet.")
        elif not words:
            problems.append(f"A row with the label {label} has no text yet.")
        elif not free:
            again = " once more" if made else ""
            problems.append(f"“{shortened(words, max_chars=40)}” is not in the text{again}.")
        else:
            wanted = row.get("start")
            near = 0 if wanted is None else int(wanted)
            spans.append(min(free, key=lambda span: abs(span.start - near)))
    return Corrected(tuple(sorted(spans, key=lambda s: (s.start, s.end))), tuple(problems))


def _occurrences(text: str, words: str) -> list[int]:
    found, start = [], text.find(words)
    while start >= 0:
        found.append(start)
        start = text.find(words, start + 1)
    return found
