"""Labelled bars on an axis from 0 to 1, as HTML, for which Streamlit has no widget."""

from collections.abc import Sequence

from model import ScoredLabel
from ui.parts.text import as_html

MAX_BARS = 12


def bars_html(items: Sequence[ScoredLabel], *, chosen: int) -> str:
    """A bar for each score, the first `chosen` of them marked; bars beyond a dozen are folded."""
    if len(items) <= MAX_BARS:
        return _axis(items, first=0, chosen=chosen)
    more = f"{len(items) - MAX_BARS:,} more labels"
    rest = _axis(items[MAX_BARS:], first=MAX_BARS, chosen=chosen)
    shown = _axis(items[:MAX_BARS], first=0, chosen=chosen)
    return f"{shown}<details><summary>{more}</summary>{rest}</details>"


def _axis(items: Sequence[ScoredLabel], *, first: int, chosen: int) -> str:
    bars = (
        bar_html(item.label, item.score, percent(item.score), is_chosen=number < chosen)
        for number, item in enumerate(items, start=first)
    )
    return f"""<div class="bars">{"".join(bars)}
    <div class="axis" aria-hidden="true"><span>0</span><span>0.5</span><span>1</span></div>
  </div>"""


def bar_html(name: str, share: float, shown: str, *, is_chosen: bool) -> str:
    """A labelled bar on an axis from 0 to 1; `shown` is its length as HTML."""
    name = as_html(name)
    return f"""
    <div class="bar{" chosen" if is_chosen else ""}" role="meter" aria-valuemin="0"
         aria-valuemax="1" aria-valuenow="{share:.3f}" aria-label="{name}">
      <span class="bar-label" dir="auto">{name}</span>
      <span class="bar-track"><span class="bar-fill" style="width:{share * 100:.1f}%"></span>
      </span>
      <span class="bar-score">{shown}</span>
    </div>"""


def percent(score: float) -> str:
    """A share in percent as HTML; never 0 % or 100 % for a share that is not quite."""
    if 0 < score < 0.01:
        return "&lt; 1 %"
    if 0.99 < score < 1:
        return "&gt; 99 %"
    return f"{score * 100:.0f} %"
