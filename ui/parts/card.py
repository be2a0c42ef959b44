"""The prediction card: input, output, and the model that made it.

Built as HTML from escaped text: no widget of Streamlit's draws labelled bars on a fixed axis, or
marks in a text.
"""

from model import Prediction
from ui.parts import output
from ui.parts.labels import NameOf
from ui.parts.text import as_html


def card_html(prediction: Prediction, name_of: NameOf, *, foot: bool = True) -> str:
    """The card as HTML; classes are those of ui/style.css. The `foot` names the model."""
    body = output.body_html(prediction, name_of)
    return _card(body + (_foot(prediction) if foot else ""))


def input_html(prediction: Prediction) -> str:
    """The card of a prediction without its output, which must not be seen yet."""
    return _card(output.input_html(prediction.input))


def growing_html(text: str, so_far: str | None) -> str:
    """The card of a text that is being generated; `so_far` is None until its turn comes."""
    if so_far is None:
        body = '<p class="card-note growing">Waiting: another text is being written.</p>'
    else:
        body = f'<div class="card-text growing" dir="auto" aria-live="off">{as_html(so_far)}</div>'
    return _card(output.input_html(text) + body)


def _foot(prediction: Prediction) -> str:
    return f"""
  <p class="card-foot">{as_html(prediction.model_id)} · {as_html(prediction.model_revision)}
    · {_duration(prediction.queue_ms + prediction.inference_ms)}</p>"""


def _card(body: str) -> str:
    return f'<section class="card" aria-label="Prediction">{body}</section>'


def _duration(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
