"""Charts of ratings as Vega-Lite, with colours that read on a light and on a dark page.

Each is made once for the same tallies: Altair takes tens of milliseconds, and a page is run for
every click.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from feedback.records import Tally
from ui import shared
from ui.text import printable

Spec = dict[str, Any]
UP, DOWN = "#2f9187", "#d0703a"
MIN_DAYS = 14


def _frame(tallies: Iterable[Tally]) -> pd.DataFrame:
    """One row a tally and verdict, as Altair stacks them."""
    rows = [
        {"key": tally.key, "verdict": verdict, "ratings": count, "order": order}
        for tally in tallies
        for order, (verdict, count) in enumerate((("up", tally.up), ("down", tally.down)))
    ]
    return pd.DataFrame(rows)


def _shown(label: str) -> str:
    return printable(shared.name_of(label)) or "none"


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


@st.cache_data(max_entries=16, show_spinner=False)
def over_time(tallies: list[Tally]) -> Spec:
    """Ratings a day, up below and down above, over two weeks or more."""
    days = [tally.key for tally in tallies if isinstance(tally.key, date)]
    first, last = min(days[0], days[-1] - timedelta(days=MIN_DAYS - 1)), days[-1]
    chart: alt.Chart = _bars(tallies).encode(
        x=alt.X("key:T", timeUnit="yearmonthdate", bandPosition=0.5)
        .title(None)
        .scale(domain=[_day(first), _day(last + timedelta(days=1))])
        .axis(format="%-d %b", tickCount=6, grid=False),
        y=alt.Y("ratings:Q").title("ratings").axis(tickMinStep=1, tickCount=4),
        tooltip=[alt.Tooltip("key:T", title="day", format="%Y-%m-%d"), "verdict:N", "ratings:Q"],
    )
    return chart.properties(height=220).to_dict()


def _day(day: date) -> alt.DateTime:
    return alt.DateTime(year=day.year, month=day.month, date=day.day)


def by_label(tallies: list[Tally]) -> Spec:
    """Ratings of each predicted label, the most rated label on top."""
    return _by_label([replace(tally, key=_shown(str(tally.key))) for tally in tallies])


@st.cache_data(max_entries=16, show_spinner=False)
def _by_label(tallies: list[Tally]) -> Spec:
    chart: alt.Chart = (
        _bars(tallies)
        .encode(
            y=alt.Y("key:N").title(None).sort(None).axis(labelLimit=160),
            x=alt.X("ratings:Q").title("ratings").axis(tickMinStep=1, tickCount=6),
            tooltip=[alt.Tooltip("key:N", title="label"), "verdict:N", "ratings:Q"],
        )
        .properties(height=alt.Step(34))
    )
    return chart.to_dict()
