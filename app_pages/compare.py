"""Compare: another model beside the one that is live, by what was rated or text by text."""

import streamlit as st

from feedback.preferences import preferences_csv, standing
from feedback.rated_set import count_rated, rated_jsonl, training_csv
from jobs.replay.report import by_chance
from model import ModelError
from ui import desk, pair, param_form, replayed, shared, visits
from ui.card import card_html
from ui.downloads import MAX_ROWS, download
from ui.text import as_markdown
from ui.waiting import wait_for

MAX_REPLAYED = 10_000  # the command takes all
PARTS = {"replay": "Replay", "pair": "Side by side"}
PICKS = {"first": "First is better", "second": "Second is better", "neither": "No difference"}

st.title("Compare")
st.markdown(
    "Is the next model better? Load it beside the one that is live, and see what it makes of the "
    "texts that were rated, or of one of yours."
)
desk.store()
live, challenger, log = desk.model(), shared.challenger(), shared.log()
if live is None:
    st.stop()

# --- the other model ------------------------------------------------------------------------------

with (
    st.form("challenger", border=False),
    st.container(horizontal=True, vertical_alignment="bottom"),
):
    wanted = st.text_input(
        "Model", key="challenger-id", max_chars=200, placeholder="owner/name, or a folder"
    )
    revision = st.text_input(
        "Revision (optional)", key="challenger-revision", max_chars=200, width=170
    )
    load = st.form_submit_button("Load")
if load and not wanted.strip():
    st.info("Name a model: the id of one on the Hugging Face Hub, or a folder where this app runs.")
elif load and challenger.replays:
    st.info("A replay runs. Stop it, or wait for it.")
elif load and not challenger.load(
    live, wanted.strip(), revision.strip(), by=visits.current().reviewer
):
    st.info("Another model is being loaded, by somebody else or by you. Load yours after it.")

other = None
if loading := challenger.loading:  # once: somebody else may unload it
    try:
        other = wait_for(loading, "The model is loading. It may have to be fetched.")
    except ModelError as error:
        st.error(as_markdown(str(error)))
if other:
    info = other.info
    same = "; it is the one that is live" if info.revision == live.info.revision else ""
    st.markdown(
        f"**{as_markdown(info.id)}**, revision {as_markdown(info.revision)}, "
        f"{info.memory_bytes / 1e6:,.0f} MB as {info.dtype}{same}."
    )
    with st.container(horizontal=True, vertical_alignment="center", key="loaded"):
        st.caption(
            f"Loaded by {as_markdown(challenger.chosen_by)}. Whoever loads another replaces it.",
            width="content",
        )
        st.button(
            "Unload", type="tertiary", on_click=challenger.unload, disabled=challenger.replays
        )

part = st.segmented_control(
    "Compare by",
    list(PARTS),
    format_func=PARTS.__getitem__,
    default="replay",
    required=True,
    key="part",
    label_visibility="collapsed",
)

# --- replay ---------------------------------------------------------------------------------------

if part == "replay":
    rated = count_rated(log, task=live.info.task, limit=MAX_ROWS + 1)
    replay = challenger.replay
    if not rated:
        st.info("Nothing is rated yet. Rate some predictions: another model is tried on them here.")
        st.page_link("app_pages/try.py", label="Try the model", icon=":material/edit_note:")
    elif replay and replay.runs:
        replayed.under_way(replay)
    elif other:
        newest = f"the newest {MAX_REPLAYED:,}" if rated > MAX_REPLAYED else f"{rated:,} so far"
        st.markdown(
            f"The model predicts the rated texts anew ({newest}), behind those of visitors. "
            "**Fixed** is what was wrong and is right now, **broken** what was right and is wrong."
        )
        if st.button("Start the replay", type="primary"):
            challenger.start_replay(log, limit=MAX_REPLAYED)
            st.rerun()
    else:
        st.info("Load another model above: it predicts anew what was rated.")
    if rated and replay and not replay.runs:
        replayed.show(replay)
    if rated:
        st.subheader("The rated set")
        with st.container(horizontal=True):
            download("For training (CSV)", "rated.csv", training_csv, rows=rated)
            download("All of it (JSONL)", "rated.jsonl", rated_jsonl, rows=rated)
        st.caption(
            "The CSV has each text with the answer that reviewers say is right; the JSONL those "
            "with none, too. Texts are as typed: a spreadsheet may take one for a formula."
        )

# --- side by side ---------------------------------------------------------------------------------

if part == "pair" and other is None:
    st.info("Load another model above: it answers beside the one that is live.")
elif part == "pair" and other and other.info.revision == live.info.revision:
    st.info("Both are the same revision and say the same. Load another one.")
elif part == "pair" and other:
    with st.form("pair-form", border=False):
        text = st.text_area("Text", key="pair-text", height=110, placeholder=live.info.placeholder)
        param_form.show(live.info.params)
        if st.form_submit_button("Predict with both", type="primary"):
            pair.predict(live, other, text, param_form.values(live.info.params))
    shown = pair.opened(live, other)
    if shown:
        for column, entry, title in zip(
            st.columns(2), (shown.first, shown.second), ("First", "Second"), strict=True
        ):
            column.markdown(f"**{title}**")
            hidden = shown.better is None
            column.html(card_html(entry.prediction, shared.name_of, foot=not hidden))
        if shown.says_the_same:
            st.caption("Both say the same.")
        with st.container(horizontal=True, key="picks"):
            for better, label in PICKS.items():
                st.button(
                    label,
                    on_click=pair.pick,
                    args=(shown, better),
                    disabled=shown.better is not None,
                )
        if shown.better:
            st.markdown(pair.revealed(shown))
    score = standing(log, (other.info.id, other.info.revision), (live.info.id, live.info.revision))
    if score.total:
        st.subheader("So far")
        with st.container(horizontal=True, key="standing"):
            st.metric("The other is better", f"{score.wins:,}")
            st.metric("The live one is better", f"{score.losses:,}")
            st.metric("No difference", f"{score.ties:,}")
        if score.decided:
            split = f"{score.wins:,} to {score.losses:,}"
            st.markdown(as_markdown(by_chance(score.p, split, score.decided)))
        download("Export choices", "preferences.csv", preferences_csv, rows=score.total)
