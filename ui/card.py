"""The prediction card: what the model said, how sure it is, and which model it was.

Built as HTML from escaped text: no widget of Streamlit's draws labelled bars on a fixed axis.
"""

from model import Prediction
from ui.text import as_html

CLOSE_CALL_MARGIN = 0.2


def card_html(prediction: Prediction) -> str:
    """The card as HTML; classes are those of ui/style.css."""
    top, *rest = prediction.output
    notes = []
    if prediction.margin < CLOSE_CALL_MARGIN and rest:
        notes.append(
            f"<b>Close call</b>: {as_html(rest[0].label)} is only "
            f"{_percent(prediction.margin)} behind."
        )
    if prediction.truncated:
        notes.append("<b>Cut</b>: the text is longer than the model takes; its end was not read.")
    return f"""
<section class="card" aria-label="Prediction">
  <blockquote class="card-input" dir="auto">{as_html(prediction.input)}</blockquote>
  <p class="card-top">
    <span dir="auto">{as_html(top.label)}</span> <small>{_percent(top.score)}</small>
  </p>
  {"".join(f'<p class="card-note">{note}</p>' for note in notes)}
  <div class="bars">{"".join(_bar(item.label, item.score) for item in prediction.output)}
    <div class="axis" aria-hidden="true"><span>0</span><span>0.5</span><span>1</span></div>
  </div>
  <p class="card-foot">{as_html(prediction.model_id)} · {as_html(prediction.model_revision)}
    · {prediction.queue_ms + prediction.inference_ms:.0f} ms</p>
</section>"""


def _bar(label: str, score: float) -> str:
    return f"""
    <div class="bar" role="meter" aria-valuemin="0" aria-valuemax="1" aria-valuenow="{score:.3f}"
         aria-label="{as_html(label)}">
      <span class="bar-label" dir="auto">{as_html(label)}</span>
      <span class="bar-track"><span class="bar-fill" style="width:{score * 100:.1f}%"></span></span>
      <span class="bar-score">{_percent(score)}</span>
    </div>"""


def _percent(score: float) -> str:
    """A share in percent; never 0 % or 100 % for what is not quite."""
    if 0 < score < 0.01:
        return "&lt; 1 %"
    if 0.99 < score < 1:
        return "&gt; 99 %"
    return f"{score * 100:.0f} %"
