"""An output as a visitor sees it: the body of its card as HTML, and one line of words.

All kinds of output are told apart here; a kind that is forgotten is a type error.
"""

from collections.abc import Sequence
from typing import assert_never

from model import GeneratedText, Prediction, ScoredLabel, ScoredLabels, Span, Spans
from ui.parts.bars import bars_html, percent
from ui.parts.labels import NameOf
from ui.parts.spans import marked_html
from ui.parts.text import as_html, counted, shortened

CLOSE_CALL_MARGIN = 0.2
MAX_SUMMARY_CHARS = 200
MAX_READ_CHARS = 200


def body_html(prediction: Prediction, name_of: NameOf) -> str:
    """The input, the output, and notes on them as HTML; classes are those of ui/style.css."""
    output = prediction.output
    match output:
        case ScoredLabels():
            notes = _cut_notes(prediction, unread="end")
            if output.margin < CLOSE_CALL_MARGIN and prediction.answer_kind != "text":
                notes.insert(0, _close_call(output, name_of))  # many words may fit a gap
            return texts_html(prediction) + _labels_html(output, name_of, notes)
        case Spans():
            return _spans_html(prediction, output, name_of, _cut_notes(prediction, unread="end"))
        case GeneratedText():
            notes = _cut_notes(prediction, unread="beginning")
            return texts_html(prediction) + _text_html(output, notes)
        case _:
            assert_never(output)


def summary(prediction: Prediction, name_of: NameOf) -> str:
    """The output in one line."""
    output = prediction.output
    match output:
        case ScoredLabels():
            return ", ".join(map(name_of, output.chosen)) or "no label"
        case Spans(items):
            words = spans_in_words(prediction.spanned, items, name_of)
            return shortened(words, max_chars=MAX_SUMMARY_CHARS) or "nothing found"
        case GeneratedText(text):
            return shortened(text, max_chars=MAX_SUMMARY_CHARS)
        case _:
            assert_never(output)


def spans_in_words(text: str, spans: Sequence[Span], name_of: NameOf) -> str:
    """The words of each span of `text` with its label."""
    words = (f"{text[span.start : span.end]} ({name_of(span.label)})" for span in spans)
    return ", ".join(words)


def input_html(text: str) -> str:
    """A text that was predicted, as a quote."""
    return f'<blockquote class="card-input" dir="auto">{as_html(text)}</blockquote>'


def texts_html(prediction: Prediction) -> str:
    """The input as a quote and, where it is another, the text that the model read."""
    return input_html(prediction.input) + _read_html(prediction)


def _read_html(prediction: Prediction) -> str:
    text, title = prediction.read, "<b>The model read</b>:"
    if text is None:
        return ""
    if len(text) <= MAX_READ_CHARS:
        return f'<p class="card-read">{title} <bdi>{as_html(text)}</bdi></p>'
    beginning = as_html(shortened(text, max_chars=MAX_READ_CHARS))
    return f"""<details class="card-read"><summary>{title} <bdi>{beginning}</bdi></summary>
  <div class="card-text" dir="auto">{as_html(text)}</div></details>"""


def _notes(notes: Sequence[str]) -> str:
    return "".join(f'<p class="card-note">{note}</p>' for note in notes)


def _cut_notes(prediction: Prediction, *, unread: str) -> list[str]:
    if not prediction.truncated:
        return []
    return [f"<b>Cut</b>: the text is longer than the model takes; its {unread} was not read."]


def _labels_html(output: ScoredLabels, name_of: NameOf, notes: list[str]) -> str:
    chosen = ", ".join(_shown(label, name_of) for label in output.chosen) or "No label"
    share = "" if output.multi_label else f" <small>{percent(output.score)}</small>"
    return f"""
  <p class="card-top"><span dir="auto">{as_html(chosen)}</span>{share}</p>
  {_notes(notes)}
  {bars_html(_named(output.items, name_of), chosen=len(output.chosen))}"""


def _close_call(output: ScoredLabels, name_of: NameOf) -> str:
    if output.multi_label:
        near = min(output.items, key=lambda item: abs(item.score - 0.5))
        side = "just applies" if near.score >= 0.5 else "just does not apply"
        return f"<b>Close call</b>: {as_html(_shown(near.label, name_of))} {side}."
    if len(output.items) < 2:
        return f"<b>Not sure</b>: only {percent(output.score)}."
    second, points = as_html(_shown(output.items[1].label, name_of)), round(100 * output.margin)
    distance = f"is only {counted(points, 'point')} behind" if points else "is as likely"
    return f"<b>Close call</b>: {second} {distance}."


def _spans_html(prediction: Prediction, output: Spans, name_of: NameOf, notes: list[str]) -> str:
    text = prediction.spanned
    if not output.items:
        notes.insert(0, "<b>Nothing found</b>: the model marks no part of this text.")
    names = {span.label: _shown(span.label, name_of) for span in output.items}
    scores = [
        ScoredLabel(f"{text[span.start : span.end]} ({names[span.label]})", span.score)
        for span in output.items
    ]
    bars = f"<details><summary>Scores</summary>{bars_html(scores, chosen=len(scores))}</details>"
    before, after = "", _read_html(prediction)
    if prediction.spans_of == "read":
        title = '<p class="card-read"><b>The model read</b> the text below, and marks it:</p>'
        before, after = input_html(prediction.input) + title, ""
    return f"""{before}
  <p class="card-spans" dir="auto">{marked_html(text, output.items, names)}</p>
  {after}{_notes(notes)}{bars if scores else ""}"""


def _text_html(output: GeneratedText, notes: list[str]) -> str:
    tokens = f"{counted(output.tokens, 'token')}"
    if output.finish == "length":
        notes.append(f"<b>Ended</b> after {tokens}, as many as were asked for.")
    elif output.finish == "stopped":
        notes.append(f"<b>Stopped</b> after {tokens}.")
    if not output.text.strip():
        notes.insert(0, "<b>Nothing</b>: the model ended the text at once.")
    return f"""
  <div class="card-text" dir="auto">{as_html(output.text)}</div>
  {_notes(notes)}"""


def _named(items: Sequence[ScoredLabel], name_of: NameOf) -> list[ScoredLabel]:
    return [ScoredLabel(_shown(item.label, name_of), item.score) for item in items]


def _shown(label: str, name_of: NameOf) -> str:
    """A label's name; in quotes if it is all spaces, as a word piece can be."""
    return name_of(label) if label.strip() else repr(label)
