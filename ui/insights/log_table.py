"""The log as a table on the Feedback page: its columns, and a row for each rating."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
import streamlit as st

from feedback import Entry, Rating
from feedback.log import Row
from ui.parts import corrections
from ui.parts.labels import names_for
from ui.parts.output import summary
from ui.parts.text import printable

COLUMN_CONFIG: dict[str, Any] = {
    "open": st.column_config.LinkColumn("", display_text=":material/open_in_new:", width=40),
    "verdict": st.column_config.TextColumn("Rating", width=60),
    "output": st.column_config.TextColumn("Output", width=110),
    "input": st.column_config.TextColumn("Text", width=300),
    "score": st.column_config.ProgressColumn("Score", min_value=0, max_value=1, format="%.2f"),
    "correction": st.column_config.TextColumn("Correction"),
    "comment": st.column_config.TextColumn("Comment"),
    "reviewer": st.column_config.TextColumn("Reviewer"),
    "created_at": st.column_config.DatetimeColumn("Predicted (UTC)", format="YYYY-MM-DD HH:mm"),
}


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """A frame with the columns of COLUMN_CONFIG, a row for each of `rows`."""
    return pd.DataFrame(
        [
            {
                "open": f"/?p={entry.prediction.id}",
                "input": printable(entry.prediction.input),
                "output": printable(summary(entry.prediction, names_for(entry.prediction))),
                "score": entry.prediction.score,
                "verdict": rating.verdict if rating else "",
                "correction": _correction(entry, rating) if rating else "",
                "comment": printable(rating.comment) if rating else "",
                "reviewer": printable(rating.reviewer) if rating else "",
                "created_at": entry.prediction.created_at.replace(tzinfo=None),
            }
            for entry, rating in rows
        ],
        columns=list(COLUMN_CONFIG),
    )


def _correction(entry: Entry, rating: Rating) -> str:
    return printable(
        corrections.in_words(entry.prediction, rating.correction, names_for(entry.prediction))
    )
