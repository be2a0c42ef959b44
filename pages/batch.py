"""Batch: predict many texts at once, look at the least sure ones first, download the results."""

import streamlit as st

from feedback import any_batch, batches
from feedback.jobs import Job
from ui import shared
from ui.batch import ages, form, job, listed, live, opened, results
from ui.parts import model_change, reviewer_name, storing, waiting
from ui.parts.text import as_markdown

st.title("Batch")
storing.store()

batch = opened.current()
if batch is None:
    above = st.container()
    listed.show()  # first: it needs no model, which may take long to load
    with above:
        model = waiting.wait_for_model()
        if model:
            model_change.note(model)
            if form.show(model):
                st.rerun()
    st.stop()

with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(f"**{as_markdown(batch.name)}**", width="stretch")
    st.button("New batch", icon=":material/add:", on_click=opened.close)

if isinstance(batch, Job):
    job.show(batch)
    st.stop()

if shared.batches().current(batch.id):
    results.show_progress(batch)
    st.caption("You can leave this page; the batch goes on, and its address finds it again.")
    st.stop()

progress = batches.progress(shared.log(), batch)
results.show_ending(batch, progress)
if progress.left and st.button("Go on", icon=":material/play_arrow:"):
    model = waiting.wait_for_model()
    if model:
        opened.start(batch, model)
        st.rerun()

if progress.predicted:
    ages.show(any_batch.figures(shared.log(), batch, live.revision()))
    label_counts = batches.labels_of(shared.log(), batch)
    if any(label for label, _ in label_counts):
        st.subheader("Labels")
        st.html(results.labels_html(label_counts))
    st.subheader("Predictions")
    reviewer_name.take_and_ask()
    results.show_table(batch, label_counts)
