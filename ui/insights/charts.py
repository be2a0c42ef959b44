"""Charts of ratings as Vega-Lite, with colours that read on a light and on a dark page.

A click on a mark selects its values. A chart is made once for the same values: Altair takes tens of
milliseconds, and a page is run for each click.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import altair as alt
import streamlit as st

from feedback.insights import Confusion, Reliability, Share
from feedback.records import Tally

Spec = dict[str, Any]
UP, DOWN, QUIET = "#2f9187", "#d0703a", "#8a8f94"
INK = "currentColor"  # the page's own
MIN_DAYS = 14
PICKED = "picked"  # the selection's name
# The fields that a mark selects, in the order of the keys of ui.insights.selection.Filters.
DAY, NAME, CELL, TENTH = ("date", "verdict"), ("name",), ("output", "truth"), ("tenth",)
ROW_PX = 30
GAP = 0.004  # between the columns of two tenths
FEW_LABELS, SHORT_CHARS = 4, 10  # fit below their columns on a phone; more or longer are turned
FAINT = 0.35  # the opacity of shares of too few ratings, and of marks beside the selected one


@st.cache_data(max_entries=16, show_spinner=False)
def over_time(tallies: list[Tally]) -> Spec:
    """Ratings a day, up below and down above, over two weeks or more; selects day and verdict."""
    first = min(tallies[0].day, tallies[-1].day - timedelta(days=MIN_DAYS - 1))
    until = tallies[-1].day + timedelta(days=1)
    rows = [
        {
            "date": f"{tally.day}",
            "day": f"{tally.day}T00:00",  # without a time the browser takes it for UTC
            "verdict": verdict,
            "ratings": count,
            "order": order,
        }
        for tally in tallies
        for order, (verdict, count) in enumerate((("up", tally.up), ("down", tally.down)))
    ]
    chart: alt.Chart = (
        _chart(rows)
        .mark_bar(cursor="pointer")
        .encode(
            x=alt.X("day:T", timeUnit="yearmonthdate", bandPosition=0.5)
            .title(None)
            .scale(domain=[_day(first), _day(until)])
            .axis(format="%-d %b", tickCount=6, grid=False),
            y=alt.Y("ratings:Q").title("ratings").axis(tickMinStep=1, tickCount=4),
            color=alt.Color("verdict:N")
            .scale(domain=["up", "down"], range=[UP, DOWN])
            .legend(orient="top", title=None),
            order=alt.Order("order:O"),
            opacity=_unless_picked(1.0),
            tooltip=[
                alt.Tooltip("day:T", format="%Y-%m-%d"),
                alt.Tooltip("verdict:N"),
                alt.Tooltip("ratings:Q", format=","),
            ],
        )
        .add_params(_selecting(*DAY))
    )
    return chart.properties(height=220).to_dict()


def _day(day: date) -> alt.DateTime:
    return alt.DateTime(year=day.year, month=day.month, date=day.day)


@st.cache_data(max_entries=64, show_spinner=False)
def shares(of: Mapping[str, Share], *, title: str) -> Spec:
    """A bar a share on an axis from 0 to 1, with its interval and its n; selects the name."""
    rows = [
        {
            "name": name,
            "share": share.value,
            "low": share.interval[0],
            "high": share.interval[1],
            "n": share.n,
            "opacity": FAINT if share.too_few else 1.0,
        }
        for name, share in of.items()
    ]
    tooltip = [
        alt.Tooltip("name:N", title=" "),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("low:Q", title="95 % from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("n:Q", title="ratings", format=","),
    ]
    base = _chart(rows).encode(
        y=alt.Y("name:N").title(None).sort(None).axis(labelLimit=140, ticks=False, domain=False),
        opacity=alt.Opacity("opacity:Q").scale(None),
        tooltip=tooltip,
    )
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1], grid=True)
    share = alt.X("share:Q").scale(domain=[0, 1]).axis(axis).title(title)
    track = base.mark_bar(color=QUIET, cursor="pointer", size=ROW_PX - 12).encode(
        x=alt.datum(0, type="quantitative"),
        x2=alt.datum(1),
        opacity=_unless_picked(0.12),
    )
    bar = base.mark_bar(color=UP, size=ROW_PX - 12, cursor="pointer").encode(x=share)
    ends = base.mark_rule(color=QUIET, strokeWidth=3, cursor="pointer").encode(
        x="low:Q", x2="high:Q"
    )
    count = base.mark_text(align="left", dx=8, color=INK).encode(
        x=alt.datum(1), text=alt.Text("n:Q", format=","), opacity=alt.value(0.8)
    )
    layers = alt.layer(track.add_params(_selecting(*NAME)), bar, ends, count)
    return layers.properties(height=alt.Step(ROW_PX), padding={"right": 44}).to_dict()


@st.cache_data(max_entries=16, show_spinner=False)
def confusion(matrix: Confusion) -> Spec:
    """A cell an output and a truth, as dark as its share of the output; selects both."""
    of_output = {
        output: sum(matrix.cells.get((output, truth), 0) for truth in matrix.labels)
        for output in matrix.labels
    }
    rows = [
        {
            "output": output,
            "truth": truth,
            "ratings": n,
            "short": _short(n),
            "share": n / of_output[output],
            "kind": "right" if output == truth else "wrong",
        }
        for output in matrix.labels
        for truth in matrix.labels
        if (n := matrix.cells.get((output, truth), 0))
    ]
    order = list(matrix.labels)
    quiet: Any = {
        "labelLimit": 110,
        "labelFlush": False,  # else the first and the last are off the middle of their cells
        "ticks": False,
        "domain": False,
        "grid": False,
    }
    fits = len(order) <= FEW_LABELS and max(map(len, order)) <= SHORT_CHARS
    base = _chart(rows).encode(
        x=alt.X("truth:N")
        .scale(domain=order)
        .axis(**quiet, labelAngle=0 if fits else -60, labelOverlap=False)
        .title("right is"),
        y=alt.Y("output:N").scale(domain=order).axis(**quiet).title("it said"),
        tooltip=[
            alt.Tooltip("output:N", title="it said"),
            alt.Tooltip("truth:N", title="right is"),
            alt.Tooltip("ratings:Q", format=","),
            alt.Tooltip("share:Q", title="of this output", format=".1%"),
        ],
    )
    cells = base.mark_rect(cursor="pointer", cornerRadius=2).encode(
        color=alt.Color("kind:N").scale(domain=["right", "wrong"], range=[UP, DOWN]).legend(None),
        opacity=alt.Opacity("share:Q").scale(domain=[0, 1], range=[0.12, 0.75]).legend(None),
        stroke={"condition": {"param": PICKED, "empty": False, "value": QUIET}, "value": None},
        strokeWidth=alt.value(2),
    )
    counts = base.mark_text(cursor="pointer", color=INK).encode(text=alt.Text("short:N"))
    layers = alt.layer(cells.add_params(_selecting(*CELL)), counts)
    return layers.properties(height=alt.Step(ROW_PX)).to_dict()


@st.cache_data(max_entries=16, show_spinner=False)
def reliability(of: Reliability) -> Spec:
    """The share that is right over the mean score of each tenth; selects the tenth.

    A dashed line shows where both are equal.
    """
    rows = [
        {
            "tenth": bin_.tenth,
            "from": bin_.tenth / 10,
            "left": bin_.tenth / 10 + GAP,
            "right": (bin_.tenth + 1) / 10 - GAP,
            "score": bin_.mean_score,
            "share": bin_.right.value,
            "low": bin_.right.interval[0],
            "high": bin_.right.interval[1],
            "n": bin_.right.n,
            "opacity": FAINT if bin_.right.too_few else 1.0,
        }
        for bin_ in of.bins
    ]
    score = alt.X("score:Q").scale(domain=[0, 1]).axis(format=".1f", tickCount=5).title("score")
    right = alt.Y("share:Q").scale(domain=[0, 1]).axis(format="%", tickCount=5).title("is right")
    base = _chart(rows).encode(
        opacity=alt.Opacity("opacity:Q").scale(None),
        tooltip=[
            alt.Tooltip("from:Q", title="score from", format=".1f"),
            alt.Tooltip("score:Q", title="mean score", format=".3f"),
            alt.Tooltip("share:Q", title="is right", format=".1%"),
            alt.Tooltip("low:Q", title="95 % from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
            alt.Tooltip("n:Q", title="ratings", format=","),
        ],
    )
    columns = base.mark_rect(color=QUIET, cursor="pointer").encode(
        x=alt.X("left:Q"),
        x2="right:Q",
        y=alt.datum(0, type="quantitative"),
        y2=alt.datum(1),
        opacity=_unless_picked(0.12),
    )
    equal = (
        _chart([{"score": 0, "share": 0}, {"score": 1, "share": 1}])
        .mark_line(color=QUIET, strokeDash=[4, 4], strokeWidth=1.5)
        .encode(x=score, y=right)
    )
    ends = base.mark_rule(color=UP, strokeWidth=3, cursor="pointer").encode(
        x=score, y=alt.Y("low:Q"), y2="high:Q"
    )
    points = base.mark_point(color=UP, filled=True, size=110, cursor="pointer").encode(
        x=score, y=right
    )
    layers = alt.layer(columns.add_params(_selecting(*TENTH)), equal, ends, points)
    return layers.properties(height=320).to_dict()


def _short(count: int) -> str:
    """A count in four characters or less, the room of a cell on a phone."""
    if count < 1000:
        return str(count)
    thousands = count / 1000
    return f"{thousands:.1f}k" if thousands < 9.95 else f"{thousands:.0f}k"


def _chart(rows: list[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(rows))


def _selecting(*fields: str) -> alt.Parameter:
    return alt.selection_point(name=PICKED, fields=list(fields), toggle=False)


def _unless_picked(opacity: float) -> dict[str, Any]:
    """The opacity of marks, fainter while another mark is selected."""
    return {
        "condition": {"param": PICKED, "empty": True, "value": opacity},
        "value": opacity * FAINT,
    }
