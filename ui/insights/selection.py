"""The predictions behind a chart: what a click on a mark selects is a Filter, until it is cleared.

Kept in the session's state; the Feedback page shows the predictions.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from feedback.filters import Filter
from ui import shared
from ui.insights.charts import PICKED, Spec
from ui.parts.labels import revision_name
from ui.parts.text import printable, shortened

Filters = Mapping[tuple[Any, ...], Filter]
_KEY = "behind"
_CLEARED = "behind_cleared"  # how often: a chart forgets its selection with its key only


def chosen() -> Filter:
    """What is behind the mark that was clicked; everything if none is."""
    found: Filter = st.session_state.get(_KEY, Filter())
    return found


def choose(behind: Filter) -> None:
    """Shows the predictions behind something that is on the page, all of them."""
    st.session_state[_KEY] = replace(behind, rated=True)
    st.session_state["page"] = 1
    for narrowed in ("verdict", "label", "words"):
        st.session_state[narrowed] = ""


def clear() -> None:
    """Shows all predictions again."""
    st.session_state.pop(_KEY, None)
    st.session_state[_CLEARED] = st.session_state.get(_CLEARED, 0) + 1
    st.session_state["page"] = 1


def chart(spec: Spec, *, key: str, fields: tuple[str, ...], filters: Filters) -> None:
    """Draws a chart whose marks select `fields`; `filters` says what is behind which values."""
    key = f"{key}-{st.session_state.get(_CLEARED, 0)}"

    def picked() -> None:
        found = filter_of(st.session_state[key].selection.get(PICKED, ()), fields, filters)
        choose(found) if found else clear()

    st.vega_lite_chart(spec, width="stretch", key=key, on_select=picked)


def filter_of(picked: Any, fields: tuple[str, ...], filters: Filters) -> Filter | None:
    """The filter of the selected mark; None if none is, or it is not in the chart any more."""
    marks = [tuple(mark.get(field) for field in fields) for mark in picked]
    return filters.get(marks[-1]) if marks else None


def in_words(behind: Filter) -> str:
    """What the filter leaves, for people; "" if it leaves everything."""
    return ", ".join(_parts(behind))


def _parts(behind: Filter) -> list[str]:
    tenth, blind = behind.tenth, behind.blind
    parts = {
        f"rated {behind.verdict}": behind.verdict,
        f"predicted {_shown(behind.label)}": behind.label,
        f"right is {_shown(behind.truth)}": behind.truth,
        f"score {(tenth or 0) / 10:.1f} to {((tenth or 0) + 1) / 10:.1f}": tenth is not None,
        f"rated on {behind.day}": behind.day,
        "rated before the output was shown": blind is True,
        "rated after the output was shown": blind is False,
        "chosen by chance": behind.drawn_to is not None,
        "reviewers disagree": behind.disputed,
        revision_name(behind.revision) if behind.revision else "": behind.revision,
    }
    return [words for words, there in parts.items() if there]


def _shown(label: str) -> str:
    return shortened(printable(shared.name_of(label)), max_chars=40)
