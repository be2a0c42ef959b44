"""The explanation of an output: the words of a text that speak for its label, on request.

A session has one explanation at a time, computed in a thread: a click elsewhere does not end it.
"""

from concurrent.futures import CancelledError
from dataclasses import replace
from uuid import UUID

import streamlit as st

from feedback import Entry
from feedback.records import compact_json
from model import Attribution, ModelError, attribute, can_attribute
from model.attribution import MAX_VARIANTS
from model.prediction import attribution_to_json
from ui import shared, state
from ui.parts.labels import NameOf, names_for
from ui.parts.text import as_html, as_markdown, shortened
from ui.parts.waiting import wait_for

FAINT, STRONG = 8, 55  # percent of colour for the lightest and for the heaviest word
FULL = 0.1  # the least weight that is shown with all of the colour
LISTED = 3  # of the heaviest words
LEAST_LISTED = 0.005  # rounds to a point


def show(entry: Entry) -> None:
    """A button that explains the output, or the explanation; nothing where there can be none."""
    prediction = entry.prediction
    if not shared.is_live(prediction) or not can_attribute(prediction):
        return
    current = _explanation_of(prediction.id)
    if current is None:
        st.button(
            "Why this output",
            key=f"why-{prediction.id}",
            type="tertiary",
            icon=":material/search:",
            on_click=_ask,
            args=(entry,),
        )
        return
    try:
        attribution = wait_for(current.future, "Leaving out one word at a time…")
    except ModelError as error:
        st.info(as_markdown(str(error)))
        return
    except CancelledError:
        return  # by another run of this session, which waited for it too and was overtaken
    st.html(attribution_html(prediction.input, attribution, names_for(prediction)))
    shown = compact_json(attribution_to_json(attribution))
    state.session().explanation = replace(current, in_sight=shown)
    st.button("Hide", key=f"hide-{prediction.id}", type="tertiary", on_click=_hide)


def in_sight(prediction_id: UUID) -> str:
    """The explanation that the reviewer sees, as JSON; "" if there is none."""
    explanation = _explanation_of(prediction_id)
    return explanation.in_sight if explanation else ""


def _explanation_of(prediction_id: UUID) -> state.Explanation | None:
    current = state.session().explanation
    if current is None or current.prediction_id != prediction_id or current.future.cancelled():
        return None  # cancelled if a click overtook the run that waited for its turn
    return current


def _ask(entry: Entry) -> None:
    model, former = shared.loaded(), state.session().explanation
    if model and not _explanation_of(entry.prediction.id):
        if former:
            former.future.cancel()  # if it has not begun: nobody reads it
        future = shared.explaining().submit(attribute, model, entry.prediction)
        state.session().explanation = state.Explanation(entry.prediction.id, future)


def _hide() -> None:
    state.session().explanation = None


def attribution_html(text: str, attribution: Attribution, name_of: NameOf) -> str:
    """The text with its words marked, and a legend; classes are those of ui/style.css."""
    heaviest = max(FULL, *(abs(word.weight) for word in attribution.weights))
    parts, end = [], 0
    for word in attribution.weights:
        parts.append(as_html(text[end : word.start]))
        parts.append(_mark(text[word.start : word.end], word.weight, heaviest))
        end = word.end
    parts.append(as_html(text[end:]))
    label = as_html(name_of(attribution.label))
    return f"""<section class="card why" aria-label="Why this output">
  <p class="card-spans" dir="auto">{"".join(parts)}</p>
  <p class="card-note"><mark class="for" style="--much:40%">for {label}</mark>
    <mark class="against" style="--much:40%">against it</mark></p>
  <p class="card-note">{_heaviest_words(text, attribution)}</p>
  <p class="card-foot">{_method(attribution)}</p></section>"""


def _mark(words: str, weight: float, heaviest: float) -> str:
    if not weight:
        return as_html(words)
    side, direction = ("for", "lower") if weight > 0 else ("against", "higher")
    colour = FAINT + (STRONG - FAINT) * abs(weight) / heaviest
    title = f"{abs(weight) * 100:.1f} points {direction} without"
    return (
        f'<mark class="{side}" style="--much:{colour:.0f}%" title="{title}">{as_html(words)}</mark>'
    )


def _heaviest_words(text: str, attribution: Attribution) -> str:
    heaviest = sorted(attribution.weights, key=lambda word: -abs(word.weight))[:LISTED]
    changes = [
        f"<bdi>“{as_html(shortened(text[word.start : word.end], max_chars=40))}”</bdi> "
        f"{_points(-word.weight)}"
        for word in heaviest
        if abs(word.weight) >= LEAST_LISTED
    ]
    if not changes:
        return "No word by itself changes the score by a point."
    return f"Left out, these change the score most: {', '.join(changes)} points."


def _points(change: float) -> str:
    return f"{change * 100:+.0f}".replace("-", "−")


def _method(attribution: Attribution) -> str:
    each = attribution.words_each
    variant = "Each word was" if each == 1 else f"Every {each} neighbouring words were"
    return (
        f"{variant} left out once, to see how far the score falls; at most {MAX_VARIANTS} variants "
        "are predicted. Words that say the same twice weigh little each."
    )
