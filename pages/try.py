"""Try: paste a text, see the prediction, rate it."""

import streamlit as st

from model import Example
from ui import shared, try_page, visits
from ui.parts import model_change, param_form, rating_form, storing, use_from_code, waiting
from ui.parts.card import card_html
from ui.parts.labels import names_for
from ui.parts.text import as_markdown
from ui.state import TryState

RATE_IT = "Then say whether it is right: that is how the next model gets better."

settings = shared.settings()
head = st.container()
entry = try_page.current_entry()
model = waiting.wait_for_model()

with head:
    title = settings.title or (model.info.title if model else "Tryout")
    st.title(as_markdown(title))
    st.markdown(settings.intro or as_markdown(f"{model.info.intro} {RATE_IT}" if model else ""))

if model:
    info, texts = model.info, settings.examples
    examples = info.examples if texts is None else [Example(text) for text in texts]
    clicked = try_page.show_examples(examples)
    with st.form("input", border=False):
        text = st.text_area("Text", key=TryState.TEXT, height=140, placeholder=info.placeholder)
        param_form.show(info.params)
        clicked |= st.form_submit_button("Predict", type="primary")
    if clicked:
        try_page.ask(text, param_form.values(info.params))
    entry = try_page.answer(model) or entry

if model:
    model_change.note(model, entry.prediction if entry else None)
if entry:
    visits.saw(entry.prediction)
    st.html(card_html(entry.prediction, names_for(entry.prediction)))
    rating_form.show(entry, stored=try_page.link)
    if model:
        use_from_code.show_folded(model.info, entry.prediction)
else:
    storing.store()
