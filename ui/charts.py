"""Charts of ratings, with colours that read on a light and on a dark page."""

from collections.abc import Iterable
from datetime import date

import altair as alt
import pandas as pd

from feedback.records import Tally
from ui.text import printable

UP, DOWN = "#2f9187", "#d0703a"


def _frame(tallies: Iterable[Tally]) -> pd.DataFrame:
    """One row a tally and verdict, as Altair stacks them."""
    rows = [
        {"key": _shown(tally.key), "verdict": verdict, "ratings": count, "order": order}
        for tally in tallies
        for order, (verdict, count) in enumerate((("up", tally.up), ("down", tally.down)))
    ]
    return pd.DataFrame(rows)


def _shown(key: date | str) -> date | str:
    return printable(key) if isinstance(key, str) else key


def _bars(tallies: Iterable[Tally]) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(_frame(tallies))
        .mark_bar()
        .encode(
            color=alt.Color("verdict:N")
            .scale(domain=["up", "down"], range=[UP, DOWN])
            .legend(orient="top", title=None),
            order=alt.Order("order:O"),
        )
    )
    return chart


def over_time(tallies: list[Tally]) -> alt.Chart:
    """Ratings a day, up below and down above."""
    days = _span(tallies)
    chart: alt.Chart = _bars(tallies).mark_bar(size=max(4, min(28, 480 // days)))
    return chart.encode(
        x=alt.X("key:T")
        .title(None)
        .axis(
            format="%-d %b",
            tickCount={"interval": "day", "step": 1} if days <= 8 else 6,
            grid=False,
        ),
        y=alt.Y("ratings:Q").title("ratings").axis(tickMinStep=1),
        tooltip=[alt.Tooltip("key:T", title="day", format="%Y-%m-%d"), "verdict:N", "ratings:Q"],
    ).properties(height=220)


def by_label(tallies: list[Tally]) -> alt.Chart:
    """Ratings of each predicted label, the most rated label on top."""
    chart: alt.Chart = (
        _bars(tallies)
        .encode(
            y=alt.Y("key:N").title(None).sort(None).axis(labelLimit=160),
            x=alt.X("ratings:Q").title("ratings").axis(tickMinStep=1),
            tooltip=[alt.Tooltip("key:N", title="label"), "verdict:N", "ratings:Q"],
        )
        .properties(height=alt.Step(34))
    )
    return chart


def _span(tallies: list[Tally]) -> int:
    """Days from the first tally to the last, both counted."""
    days = pd.to_datetime([tally.key for tally in tallies])
    return int((days.max() - days.min()).days) + 1
