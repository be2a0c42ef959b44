"""The selection in a chart: a click on a mark selects predictions by a Filter, until cleared.

The Feedback page shows the predictions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from feedback.filters import Filter
from ui import state
from ui.insights.charts import PICKED, Spec
from ui.parts.labels import name_of, revision_name
from ui.parts.text import printable, shortened

Filters = Mapping[tuple[Any, ...], Filter]  # by the values of a mark's fields


def chosen() -> Filter:
    """The filter that is selected; that of all predictions if none is."""
    return state.feedback_page().selected


def choose(selected: Filter) -> None:
    """Selects the rated predictions of a filter, without the filters above the table."""
    page = state.feedback_page()
    page.selected = replace(selected, rated=True)
    page.first_page()
    page.empty_filters()


def clear() -> None:
    """Shows all predictions again."""
    page = state.feedback_page()
    page.selected = Filter()
    page.cleared += 1
    page.first_page()


def chart(spec: Spec, *, key: str, fields: tuple[str, ...], filters: Filters) -> None:
    """Draws a chart whose marks select `fields`; `filters` has the filter for their values."""
    key = f"{key}-{state.feedback_page().cleared}"

    def picked() -> None:
        marks = st.session_state[key].selection.get(PICKED, ())
        selected = filter_of(marks, fields, filters)
        choose(selected) if selected else clear()

    st.vega_lite_chart(spec, width="stretch", key=key, on_select=picked)


def filter_of(marks: Any, fields: tuple[str, ...], filters: Filters) -> Filter | None:
    """The filter of the last mark; None if there is no mark, or it is not in the chart any more."""
    values = [tuple(mark.get(field) for field in fields) for mark in marks]
    return filters.get(values[-1]) if values else None


def in_words(selected: Filter) -> str:
    """A filter in words; "" if it selects all predictions."""
    return ", ".join(_parts(selected))


def _parts(selected: Filter) -> Iterator[str]:
    if selected.verdict:
        yield f"rated {selected.verdict}"
    if selected.label:
        yield f"predicted {_shown(selected.label)}"
    if selected.truth:
        yield f"right is {_shown(selected.truth)}"
    if selected.tenth is not None:
        yield f"score {selected.tenth / 10:.1f} to {(selected.tenth + 1) / 10:.1f}"
    if selected.day:
        yield f"rated on {selected.day}"
    if selected.blind is not None:
        yield f"rated {'before' if selected.blind else 'after'} the output was shown"
    if selected.drawn_to is not None:
        yield "chosen by chance"
    if selected.disputed:
        yield "reviewers disagree"
    if selected.revision:
        yield revision_name(selected.revision)


def _shown(label: str) -> str:
    return shortened(printable(name_of(label)), max_chars=40)
