"""Try: paste a text, see what the model says, rate it."""

import streamlit as st

from ui import desk, rating_form, shared
from ui.card import card_html
from ui.text import as_markdown, shortened

settings = shared.settings()
st.title(as_markdown(settings.title))
st.markdown(settings.intro)

entry = desk.opened()

chosen = None
if settings.examples:
    with st.container(horizontal=True, gap="small", key="examples"):
        for number, example in enumerate(settings.examples):
            label = as_markdown(shortened(example, max_chars=44))
            if st.button(label, key=f"example-{number}"):
                chosen = example
if chosen:
    st.session_state["text"] = chosen

with st.form("input", border=False):
    st.text_area("Text", key="text", height=140, placeholder="Type or paste a text")
    clicked = st.form_submit_button("Predict", type="primary", help="Ctrl+Enter in the text")

if clicked or chosen:
    desk.ask(st.session_state["text"])
entry = desk.answer() or entry

if entry:
    st.html(card_html(entry.prediction))
desk.store()
if entry:
    desk.link(entry)
    rating_form.show(entry)
