"""A sentiment demo as Streamlit's documentation teaches it: a cached pipeline and a text area."""

import os

import streamlit as st
from transformers import pipeline


@st.cache_resource
def load():  # type: ignore[no-untyped-def]
    return pipeline("text-classification", model=os.environ["PEER_MODEL"])


classify = load()
with st.form("form"):
    text = st.text_area("Text")
    clicked = st.form_submit_button("Predict")
if clicked:
    for item in classify(text, top_k=None, truncation=True):
        st.write(item["label"])
        st.progress(item["score"])
