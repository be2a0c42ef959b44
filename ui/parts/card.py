"""The prediction card: what the model said, how sure it is, and which model it was.

Built as HTML from escaped text: no widget of Streamlit's draws labelled bars on a fixed axis, or
marks in a text.
"""

from collections.abc import Sequence

from model.prediction import (
    GeneratedText,
    Prediction,
    ScoredLabel,
    ScoredLabels,
    Spans,
)
from ui.parts.labels import NameOf
from ui.parts.spans import marked_html
from ui.parts.text import as_html, counted

CLOSE_CALL_MARGIN = 0.2
MAX_BARS = 12


def card_html(prediction: Prediction, name_of: NameOf, *, foot: bool = True) -> str:
    """The card as HTML; classes are those of ui/style.css. The `foot` names the model."""
    output, text = prediction.output, prediction.input
    notes = [] if not prediction.truncated else [_cut_note(prediction)]
    match output:
        case ScoredLabels():
            if output.margin < CLOSE_CALL_MARGIN and prediction.answer_kind != "text":
                notes.insert(0, _close_call(output, name_of))  # many words may fit a gap
            body = _labels_html(text, output, name_of, notes)
        case Spans():
            body = _spans_html(text, output, name_of, notes)
        case GeneratedText():
            body = _text_html(text, output, notes)
    return _card(body + (_foot(prediction) if foot else ""))


def input_html(prediction: Prediction) -> str:
    """The card of a prediction whose output is not to be seen yet."""
    return _card(_input(prediction.input))


def growing_html(text: str, so_far: str | None) -> str:
    """The card of a text that is being generated, or with None of one whose turn has not come."""
    if so_far is None:
        body = '<p class="card-note growing">Waiting: another text is being written.</p>'
    else:
        body = f'<div class="card-text growing" dir="auto" aria-live="off">{as_html(so_far)}</div>'
    return _card(_input(text) + body)


def _foot(prediction: Prediction) -> str:
    return f"""
  <p class="card-foot">{as_html(prediction.model_id)} · {as_html(prediction.model_revision)}
    · {_duration(prediction.queue_ms + prediction.inference_ms)}</p>"""


def _card(body: str) -> str:
    return f'<section class="card" aria-label="Prediction">{body}</section>'


def _input(text: str) -> str:
    return f'<blockquote class="card-input" dir="auto">{as_html(text)}</blockquote>'


def _notes(notes: Sequence[str]) -> str:
    return "".join(f'<p class="card-note">{note}</p>' for note in notes)


def _cut_note(prediction: Prediction) -> str:
    part = "beginning" if isinstance(prediction.output, GeneratedText) else "end"
    return f"<b>Cut</b>: the text is longer than the model takes; its {part} was not read."


def _labels_html(text: str, output: ScoredLabels, name_of: NameOf, notes: list[str]) -> str:
    chosen = ", ".join(_shown(label, name_of) for label in output.chosen) or "No label"
    share = "" if output.multi_label else f" <small>{percent(output.score)}</small>"
    return f"""{_input(text)}
  <p class="card-top"><span dir="auto">{as_html(chosen)}</span>{share}</p>
  {_notes(notes)}
  {_bars(output.items, name_of, chosen=len(output.chosen))}"""


def _close_call(output: ScoredLabels, name_of: NameOf) -> str:
    if output.multi_label:
        near = min(output.items, key=lambda item: abs(item.score - 0.5))
        side = "just applies" if near.score >= 0.5 else "just does not apply"
        return f"<b>Close call</b>: {as_html(_shown(near.label, name_of))} {side}."
    if len(output.items) < 2:
        return f"<b>Not sure</b>: only {percent(output.score)}."
    second, points = as_html(_shown(output.items[1].label, name_of)), round(100 * output.margin)
    behind = f"is only {counted(points, 'point')} behind" if points else "is as likely"
    return f"<b>Close call</b>: {second} {behind}."


def _spans_html(text: str, output: Spans, name_of: NameOf, notes: list[str]) -> str:
    if not output.items:
        notes.insert(0, "<b>Nothing found</b>: the model marks no part of this text.")
    names = {span.label: _shown(span.label, name_of) for span in output.items}
    found = [
        ScoredLabel(f"{text[span.start : span.end]} ({names[span.label]})", span.score)
        for span in output.items
    ]
    bars = f"<details><summary>Scores</summary>{_bars(found, str, chosen=len(found))}</details>"
    return f"""
  <p class="card-spans" dir="auto">{marked_html(text, output.items, names)}</p>
  {_notes(notes)}{bars if found else ""}"""


def _text_html(text: str, output: GeneratedText, notes: list[str]) -> str:
    tokens = f"{counted(output.tokens, 'token')}"
    if output.finish == "length":
        notes.append(f"<b>Ended</b> after {tokens}, as many as were asked for.")
    elif output.finish == "stopped":
        notes.append(f"<b>Stopped</b> after {tokens}.")
    if not output.text.strip():
        notes.insert(0, "<b>Nothing</b>: the model ended the text at once.")
    return f"""{_input(text)}
  <div class="card-text" dir="auto">{as_html(output.text)}</div>
  {_notes(notes)}"""


def _bars(items: Sequence[ScoredLabel], name_of: NameOf, *, chosen: int) -> str:
    def made(some: Sequence[ScoredLabel], first: int) -> str:
        bars = (_bar(item, name_of, i < chosen) for i, item in enumerate(some, start=first))
        return f"""<div class="bars">{"".join(bars)}
    <div class="axis" aria-hidden="true"><span>0</span><span>0.5</span><span>1</span></div>
  </div>"""

    if len(items) <= MAX_BARS:
        return made(items, 0)
    more = f"{len(items) - MAX_BARS:,} more labels"
    rest = made(items[MAX_BARS:], MAX_BARS)
    return f"{made(items[:MAX_BARS], 0)}<details><summary>{more}</summary>{rest}</details>"


def _bar(item: ScoredLabel, name_of: NameOf, is_chosen: bool) -> str:
    name = _shown(item.label, name_of)
    return bar_html(name, item.score, percent(item.score), is_chosen=is_chosen)


def bar_html(name: str, share: float, shown: str, *, is_chosen: bool) -> str:
    """A labelled bar on an axis from 0 to 1; `shown` is its length in words, as HTML."""
    name = as_html(name)
    return f"""
    <div class="bar{" chosen" if is_chosen else ""}" role="meter" aria-valuemin="0"
         aria-valuemax="1" aria-valuenow="{share:.3f}" aria-label="{name}">
      <span class="bar-label" dir="auto">{name}</span>
      <span class="bar-track"><span class="bar-fill" style="width:{share * 100:.1f}%"></span>
      </span>
      <span class="bar-score">{shown}</span>
    </div>"""


def _shown(label: str, name_of: NameOf) -> str:
    """A label's name; one of spaces only, as a word piece can be, in quotes."""
    return name_of(label) if label.strip() else repr(label)


def percent(score: float) -> str:
    """A share in percent; never 0 % or 100 % for what is not quite."""
    if 0 < score < 0.01:
        return "&lt; 1 %"
    if 0.99 < score < 1:
        return "&gt; 99 %"
    return f"{score * 100:.0f} %"


def _duration(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
