"""The drift of a batch from the one before, as a card: which labels moved, each test in a line."""

from html import escape

from feedback.jobs.drift import Drift, LabelShare, Shift, sentences
from ui.parts.labels import name_of
from ui.parts.text import as_html, counted

MOVED_LABELS = 6
MEASURES = {
    "labels": ("Labels", "Cramér's V"),
    "margins": ("Margins", "rank-biserial r"),
    "lengths": ("Lengths of texts", "rank-biserial r"),
}


def drift_html(found: Drift, *, before_name: str) -> str:
    """The card: the largest differences in words, shares before and now, the tests."""
    in_words = sentences(found, name_of)
    words = "".join(f'<p class="drift-words">{as_html(sentence)}</p>' for sentence in in_words)
    if not (found.labels.before and found.labels.now):
        return f'<section class="card drift" aria-label="Drift">{words}</section>'
    legend = f"""<p class="drift-legend">
      <span><span class="key now"></span>this batch,
        {counted(found.labels.now, "prediction")}</span>
      <span><span class="key before"></span>{as_html(before_name)},
        {found.labels.before:,}</span></p>"""
    moved = [share for share in found.shares if share.label]
    pairs = "".join(_pair(share) for share in moved[:MOVED_LABELS])
    more = len(moved) - MOVED_LABELS
    rest = f'<p class="card-note">and {counted(more, "more label")}</p>' if more > 0 else ""
    labels = f'{legend}<div class="pairs">{pairs}</div>{rest}' if moved else ""
    tests = "".join(_test(shift) for shift in found.shifts)
    return f"""<section class="card drift" aria-label="Drift">{words}{labels}
      <div class="tests">{tests}</div></section>"""


def _pair(share: LabelShare) -> str:
    """Two bars of a label, now above before; both shares are said in words beside them."""
    name = as_html(name_of(share.label))
    shown = f"{_percent(share.before)} → <b>{_percent(share.now)}</b>"
    return f"""<div class="pair" role="group"
         aria-label="{name}: {_percent(share.before)} before, {_percent(share.now)} now">
      <span class="bar-label" dir="auto">{name}</span>
      <span class="pair-bars"><span class="now" style="width:{share.now * 100:.1f}%"></span>
        <span class="before" style="width:{share.before * 100:.1f}%"></span></span>
      <span class="bar-score">{shown}</span></div>"""


def _test(shift: Shift) -> str:
    title, statistic = MEASURES[shift.measure]
    if not (shift.before and shift.now):
        verdict = "none to compare"
    elif shift.p is None:
        verdict = "too few to tell"
    elif shift.is_clear:
        verdict = f"a {shift.size} difference"
    else:
        verdict = "no clear difference"
    detail = f"{statistic} {round(shift.effect, 2) + 0.0:.2f}"  # no -0.00
    if shift.p is not None:
        detail += f", p {_probability(shift.p)}"
    if shift.pooled:
        detail += f", {counted(shift.pooled, 'rare label')} as one"
    marked = " clear" if shift.is_clear else ""
    return f"""<div class="test{marked}"><span>{title}</span><span>{verdict}</span>
      <small>{escape(detail, quote=False)}</small></div>"""


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
