"""About: the model, its runtime, the limits, and the data stored about a visitor."""

import streamlit as st

from model import Example
from ui import shared
from ui.about_page import default_in_words, facts_html, supported, without_front_matter
from ui.parts import storing, use_from_code, waiting
from ui.parts.text import as_markdown

settings = shared.settings()
st.title("About")
storing.store()

st.subheader("The model")
model = waiting.wait_for_model()
info = model.info if model else None

if info:
    names = settings.model.labels
    st.html(
        facts_html(
            {
                "Model": info.id,
                "Revision": info.revision,
                "Task": info.task,
                "Labels": ", ".join(
                    f"{label} (shown as {names[label]})" if label in names else label
                    for label in info.labels
                )
                or "those that a prediction names",
                "Defaults": "; ".join(default_in_words(param) for param in info.params) or "none",
                "Parameters": f"{info.parameters / 1e6:,.1f} million" if info.parameters else "",
                "Memory": f"{info.memory_bytes / 1e6:,.0f} MB of weights"
                if info.memory_bytes
                else "",
                "Numbers": info.dtype + (f": {info.dtype_reason}" if info.dtype_reason else ""),
                "Runtime": f"{info.runtime} on {info.device}",
                "Versions": ", ".join(f"{name} {number}" for name, number in info.versions.items()),
            }
        )
    )

    if info.labels and (unknown := sorted(names.keys() - set(info.labels))):
        st.warning(
            f"model.labels in app.toml names {as_markdown(', '.join(unknown))}, which is no label "
            "of this model."
        )

if info:
    st.subheader(use_from_code.TITLE)
    example = next(map(Example, settings.examples or ()), info.examples[0])
    use_from_code.show(info, example.text, example.params, page="about")

st.subheader("Limits")
st.markdown(
    f"A text may have {settings.limits.max_chars:,} characters, a batch "
    f"{settings.limits.max_batch_rows:,} rows and {settings.limits.max_upload_mb} MB."
    + (
        f" The model takes {info.max_tokens:,} tokens (word pieces"
        + (", the new ones included" if model and model.generates else "")
        + "); if a text is longer, the prediction says that it was cut."
        if info and info.max_tokens
        else ""
    )
)

st.subheader("What is stored about you")
st.markdown(
    """
- Each text that you predict, as you typed it, with the output and the time. Do not paste secrets.
- Each table that you predict as a batch, with all of its columns.
- Your ratings, corrections and comments, with your name if you give one.
- A random number in a cookie, which is gone when you close the browser. It tells visitors apart
  and lets you change your own ratings. Until the app restarts it also remembers, in memory only,
  your name, whether you review blind, and which outputs you have seen.

No address, no account, nothing about your device. Everybody who can open this app can read the
predictions and ratings, and export them.
"""
)
if not settings.log_lasts:
    st.markdown("The log is on a disk that does not last: a restart of the host erases it.")

st.subheader("Which models work here")
st.markdown(supported())

if info and info.card:
    st.subheader("Model card")
    with st.container(border=True):
        st.markdown(without_front_matter(info.card))
