"""Try: paste a text, see what the model says, rate it."""

import streamlit as st

from model import Example
from ui import shared, try_page
from ui.parts import param_form, rating_form
from ui.parts.card import card_html
from ui.parts.text import as_markdown

THEN = "Then say whether it is right: that is how the next model gets better."

settings = shared.settings()
head = st.container()
opened = entry = try_page.opened()
model = try_page.model()

with head:
    title = settings.title or (model.info.title if model else "Tryout")
    st.title(as_markdown(title))
    st.markdown(settings.intro or as_markdown(f"{model.info.intro} {THEN}" if model else ""))

if model:
    info, own = model.info, settings.examples
    clicked = try_page.examples(info.examples if own is None else [Example(text) for text in own])
    with st.form("input", border=False):
        st.text_area("Text", key="text", height=140, placeholder=info.placeholder)
        param_form.show(info.params)
        clicked |= st.form_submit_button("Predict", type="primary")
    if clicked:
        try_page.ask(st.session_state["text"], param_form.values(info.params))
    entry = try_page.answer(model) or opened

if entry:
    try_page.saw(entry.prediction)
    st.html(card_html(entry.prediction, shared.names_for(entry.prediction)))
    rating_form.show(entry, linked=True)
else:
    try_page.store()
