"""Batch: predict many texts at once, look at the least sure ones, take the results away."""

import streamlit as st

from feedback import batches
from ui import batch_desk, batch_form, batch_results, desk, rating_form, shared
from ui.text import as_markdown

st.title("Batch")
desk.store()

batch = batch_desk.opened()
if batch is None:
    model = desk.model()
    if model and batch_form.show(model):
        st.rerun()
    batch_desk.recent()
    st.stop()

with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(f"**{as_markdown(batch.name)}**", width="stretch")
    st.button("New batch", icon=":material/add:", on_click=batch_desk.leave)

if shared.batches().current(batch.id):
    batch_results.under_way(batch)
    st.caption("You can leave this page; the batch goes on, and its address finds it again.")
    st.stop()

progress = batches.progress(shared.log(), batch)
batch_results.outcome(batch, progress)
if progress.left and st.button("Go on", icon=":material/play_arrow:"):
    model = desk.model()
    if model:
        batch_desk.begin(batch, model)
        st.rerun()

if progress.predicted:
    counted = batches.labels_of(shared.log(), batch)
    if any(label for label, _ in counted):
        st.subheader("Labels")
        st.html(batch_results.labels_html(counted))
    st.subheader("Predictions")
    rating_form.name()
    batch_results.table(batch, counted)
