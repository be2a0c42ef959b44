"""A replay on the Compare page: its start, its progress, its result as numbers and tables."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from feedback.outcomes import OUTCOMES
from feedback.rated_set import count_rated, rated_jsonl, training_csv
from jobs.replay.report import SHOWN, conclusion, counts_by_label, foreign_labels
from jobs.replay.run import Replay, ReplayResult, jsonl
from model import Predictor
from ui import shared, visits
from ui.navigation import page_link
from ui.parts import corrections, progress
from ui.parts.downloads import MAX_ROWS, download
from ui.parts.labels import name_of
from ui.parts.output import summary
from ui.parts.text import as_markdown, printable, shortened

MAX_REPLAYED = 10_000  # the command takes all
MAX_LISTED = 200
FEW_ROWS, HEIGHT_PX = 12, 460


def show(live: Predictor, other: Predictor | None) -> None:
    """Starts a replay of `other` over the rated predictions, shows its progress or its result."""
    log, challenger = shared.log(), shared.challenger()
    rated = count_rated(log, task=live.info.task, limit=MAX_ROWS + 1)
    replay = challenger.replay
    if not rated:
        st.info("Nothing is rated yet. Rate some predictions: another model is tried on them here.")
        page_link("try", "Try the model")
        return
    if replay and replay.is_running:
        _progress(replay)
    elif other:
        newest = f"the newest {MAX_REPLAYED:,}" if rated > MAX_REPLAYED else f"{rated:,} so far"
        st.markdown(
            f"The model predicts the rated texts anew ({newest}); texts of visitors go first. "
            "**Fixed**: wrong before, right now. **Broken**: right before, wrong now."
        )
        if st.button("Start the replay", type="primary"):
            challenger.start_replay(log, limit=MAX_REPLAYED)
            st.rerun()
    else:
        st.info("Load another model above: it predicts the rated texts anew.")
    if replay and not replay.is_running:
        _result(replay)
    _rated_set(rated)


def _rated_set(rated: int) -> None:
    st.subheader("The rated set")
    with st.container(horizontal=True):
        download("For training (CSV)", "rated.csv", training_csv, rows=rated)
        download("All of it (JSONL)", "rated.jsonl", rated_jsonl, rows=rated)
    st.caption(
        "The CSV has the texts with a known right answer; the JSONL also those without. "
        "Texts are as typed: a spreadsheet may take one for a formula."
    )


@st.fragment(run_every=progress.EVERY_S)
def _progress(replay: Replay) -> None:
    """The progress and a stop; runs the page again once the replay has ended."""
    if not replay.is_running:
        st.rerun()
    done, total = replay.done, replay.total
    progress.show(replay, done, total, progress.in_words(done, total, replay.per_s))


def _result(replay: Replay) -> None:
    score, info = replay.score, replay.info
    if replay.problem:
        st.error(as_markdown(replay.problem))
    st.caption(
        f"{as_markdown(info.id)}, revision {as_markdown(info.revision)}, over the newest "
        f"{replay.done:,} rated predictions"
        + (f" of {replay.total:,}" if replay.done < replay.total else "")
        + (": it was stopped." if replay.stopped else ".")
    )
    if not score.total:
        return
    if foreign := foreign_labels(score, info.labels):
        st.warning(as_markdown(foreign))
    with st.container(horizontal=True, key="outcomes"):
        for name in SHOWN[:4]:
            st.metric(name.capitalize(), f"{score.counts[name]:,}")
    st.markdown(as_markdown(conclusion(score)))
    if notes := _notes(replay):
        st.caption(" ".join(notes))
    st.subheader("By predicted label")
    st.dataframe(_by_label(replay), hide_index=True, height="content")
    st.subheader("Texts")
    listed = sorted(replay.results, key=lambda result: OUTCOMES.index(result.outcome))
    visits.saw(*(result.reference.prediction for result in listed[:MAX_LISTED]))
    st.dataframe(
        _frame(listed[:MAX_LISTED]),
        column_config=COLUMNS,
        hide_index=True,
        height="content" if len(listed) <= FEW_ROWS else HEIGHT_PX,
    )
    if len(listed) > MAX_LISTED:
        st.caption(
            f"The first {MAX_LISTED} of {len(listed):,}, broken ones first; the file has all."
        )
    st.download_button(
        "Download all",
        data=lambda: jsonl(listed),
        file_name="replay.jsonl",
        mime="application/jsonl",
        icon=":material/download:",
        on_click="ignore",
    )


def _notes(replay: Replay) -> list[str]:
    notes = []
    if unknown := replay.score.counts["unknown"]:
        notes.append(f"No reviewer has said whether {unknown:,} new answers are right.")
    if divided := replay.left_out["divided"]:
        notes.append(f"Left out, as reviewers are divided: {divided:,}.")
    if repeated := replay.left_out["repeated"]:
        notes.append(f"Left out, as a newer prediction is of the same text: {repeated:,}.")
    return notes


def _by_label(replay: Replay) -> pd.DataFrame:
    _, *rows = counts_by_label(replay.score)
    names = ["Label", *(name.capitalize() for name in SHOWN)]
    return pd.DataFrame(
        [(printable(name_of(label)) or "none", *counts) for label, counts in rows],
        columns=names,
    )


COLUMNS: dict[str, Any] = {
    "open": st.column_config.LinkColumn("", display_text=":material/open_in_new:", width=40),
    "outcome": st.column_config.TextColumn("", width=80),
    "input": st.column_config.TextColumn("Text", width=280),
    "old": st.column_config.TextColumn("Was", width=90),
    "truth": st.column_config.TextColumn("Right is", width=90),
    "new": st.column_config.TextColumn("Now", width=90),
}


def _frame(results: Sequence[ReplayResult]) -> pd.DataFrame:
    return pd.DataFrame([_row(result) for result in results], columns=list(COLUMNS))


def _row(result: ReplayResult) -> dict[str, str]:
    old, truth = result.reference.prediction, result.reference.truth
    right = corrections.in_words(old, result.answers.truth, name_of) if truth else ""
    row = {
        "open": f"/?p={old.id}",
        "outcome": result.outcome,
        "input": shortened(old.input, max_chars=300),
        "old": summary(old, name_of),
        "truth": right or ("" if truth is None else "nothing"),
        "new": summary(result.new, name_of) if result.new else result.problem,
    }
    return {name: printable(value) for name, value in row.items()}
