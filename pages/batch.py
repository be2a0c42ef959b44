"""Batch: predict many texts at once, look at the least sure ones, take the results away."""

import streamlit as st

from feedback import batches
from ui import shared
from ui.batch import form, opened, results
from ui.parts import reviewer_name, storing, waiting
from ui.parts.text import as_markdown

st.title("Batch")
storing.store()

batch = opened.opened()
if batch is None:
    model = waiting.wait_for_model()
    if model and form.show(model):
        st.rerun()
    opened.recent()
    st.stop()

with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(f"**{as_markdown(batch.name)}**", width="stretch")
    st.button("New batch", icon=":material/add:", on_click=opened.leave)

if shared.batches().current(batch.id):
    results.under_way(batch)
    st.caption("You can leave this page; the batch goes on, and its address finds it again.")
    st.stop()

progress = batches.progress(shared.log(), batch)
results.outcome(batch, progress)
if progress.left and st.button("Go on", icon=":material/play_arrow:"):
    model = waiting.wait_for_model()
    if model:
        opened.begin(batch, model)
        st.rerun()

if progress.predicted:
    counted = batches.labels_of(shared.log(), batch)
    if any(label for label, _ in counted):
        st.subheader("Labels")
        st.html(results.labels_html(counted))
    st.subheader("Predictions")
    reviewer_name.take_and_ask()
    results.table(batch, counted)
