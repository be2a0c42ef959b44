"""The shadow's pairs on the Compare page: how often the challenger says the same to programs."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from feedback.shadowed import ShadowedPair, model_of, newest_pairs
from feedback.statistics import wilson_interval
from ui import shared
from ui.parts.bars import percent
from ui.parts.labels import name_of
from ui.parts.output import summary
from ui.parts.text import as_markdown, printable, shortened

PAIRS = 1000
LISTED = 100


def show() -> None:
    """The share of texts to which both models say the same, and the texts to which they do not."""
    pairs = newest_pairs(shared.log(), limit=PAIRS)
    if not pairs:
        st.info("The challenger has predicted no text of a program yet. Ask the service for some.")
        return
    other = model_of(pairs[0].other)
    same = sum(pair.same_answer for pair in pairs)
    low, high = wilson_interval(same, len(pairs))
    st.markdown(
        f"**{as_markdown(other.model_id)}**, revision {as_markdown(other.model_revision)}, says "
        f"the same as what was answered to {same:,} of the newest {len(pairs):,} texts: "
        f"{percent(same / len(pairs))} (95 %: {percent(low)} to {percent(high)})."
    )
    different = [pair for pair in pairs if not pair.same_answer]
    if different:
        st.subheader("Where they differ")
        st.dataframe(_frame(different[:LISTED]), column_config=COLUMNS, hide_index=True)


COLUMNS: dict[str, Any] = {
    "open": st.column_config.LinkColumn("", display_text=":material/open_in_new:", width=40),
    "input": st.column_config.TextColumn("Text", width=320),
    "answered": st.column_config.TextColumn("Answered", width=110),
    "other": st.column_config.TextColumn("Challenger", width=110),
}


def _frame(pairs: Sequence[ShadowedPair]) -> pd.DataFrame:
    rows = [
        {
            "open": f"/?p={pair.other.prediction.id}",
            "input": printable(shortened(pair.answered.prediction.input, max_chars=300)),
            "answered": printable(summary(pair.answered.prediction, name_of)),
            "other": printable(summary(pair.other.prediction, name_of)),
        }
        for pair in pairs
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
