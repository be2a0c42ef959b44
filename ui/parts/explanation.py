"""The explanation of an output: the words of a text that speak for its label, on request.

One at a time in a session, computed in a thread of its own: a click elsewhere does not end it.
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

FAINT, STRONG = 8, 55  # percent of colour, of a word that weighs nothing and one that does most
LEAST = 0.005  # half a point is shown as one
FULL = 0.1  # below this, what weighs most is not shown at full strength
MOST = 3


def show(entry: Entry) -> None:
    """A button that explains the output, or the explanation; nothing where there can be none."""
    prediction = entry.prediction
    if not shared.is_live(prediction) or not can_attribute(prediction):
        return
    asked = _asked(prediction.id)
    if asked is None:
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
        attribution = wait_for(asked.future, "Leaving out one word at a time…")
    except ModelError as error:
        st.info(as_markdown(str(error)))
        return
    except CancelledError:
        return  # another run of this session, which waited for it too, was overtaken
    st.html(attribution_html(prediction.input, attribution, names_for(prediction)))
    shown = compact_json(attribution_to_json(attribution))
    state.session().explanation = replace(asked, in_sight=shown)
    st.button("Hide", key=f"hide-{prediction.id}", type="tertiary", on_click=_hide)


def in_sight(prediction_id: UUID) -> str:
    """The explanation that the reviewer has before them, as JSON; "" if there is none."""
    asked = _asked(prediction_id)
    return asked.in_sight if asked else ""


def _asked(prediction_id: UUID) -> state.Explanation | None:
    asked = state.session().explanation
    if asked is None or asked.prediction_id != prediction_id or asked.future.cancelled():
        return None  # cancelled if a click overtook the run that waited for its turn
    return asked


def _ask(entry: Entry) -> None:
    model, former = shared.loaded(), state.session().explanation
    if model and not _asked(entry.prediction.id):
        if former:
            former.future.cancel()  # nobody reads it, if it has not begun
        future = shared.explaining().submit(attribute, model, entry.prediction)
        state.session().explanation = state.Explanation(entry.prediction.id, future)


def _hide() -> None:
    state.session().explanation = None


def attribution_html(text: str, attribution: Attribution, name_of: NameOf) -> str:
    """The text with its words marked, and a legend; classes are those of ui/style.css."""
    most = max(FULL, *(abs(one.weight) for one in attribution.weights))
    parts, at = [], 0
    for one in attribution.weights:
        parts.append(as_html(text[at : one.start]))
        parts.append(_mark(text[one.start : one.end], one.weight, most))
        at = one.end
    parts.append(as_html(text[at:]))
    label = as_html(name_of(attribution.label))
    return f"""<section class="card why" aria-label="Why this output">
  <p class="card-spans" dir="auto">{"".join(parts)}</p>
  <p class="card-note"><mark class="for" style="--much:40%">for {label}</mark>
    <mark class="against" style="--much:40%">against it</mark></p>
  <p class="card-note">{_most_in_words(text, attribution)}</p>
  <p class="card-foot">{_how(attribution)}</p></section>"""


def _mark(words: str, weight: float, most: float) -> str:
    side = "for" if weight > 0 else "against"
    much = FAINT + (STRONG - FAINT) * abs(weight) / most
    points = f"{abs(weight) * 100:.1f} points {'lower' if weight > 0 else 'higher'} without"
    if not weight:
        return as_html(words)
    return (
        f'<mark class="{side}" style="--much:{much:.0f}%" title="{points}">{as_html(words)}</mark>'
    )


def _most_in_words(text: str, attribution: Attribution) -> str:
    top = sorted(attribution.weights, key=lambda one: -abs(one.weight))[:MOST]
    said = [
        f"<bdi>“{as_html(shortened(text[one.start : one.end], max_chars=40))}”</bdi> "
        f"{_points(-one.weight)}"
        for one in top
        if abs(one.weight) >= LEAST
    ]
    if not said:
        return "No word by itself changes the score by a point."
    return f"Left out, these change the score most: {', '.join(said)} points."


def _points(change: float) -> str:
    return f"{change * 100:+.0f}".replace("-", "−")


def _how(attribution: Attribution) -> str:
    each = attribution.words_each
    what = "Each word was" if each == 1 else f"Every {each} neighbouring words were"
    return (
        f"{what} left out once, to see how far the score falls; at most {MAX_VARIANTS} variants "
        "are predicted. Words that say the same twice weigh little each."
    )
