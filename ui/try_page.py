"""The Try page: the prediction that is open, asking for one, and a text that grows."""

from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any
from uuid import UUID

import streamlit as st

from feedback import Entry, FeedbackError
from model import Example, InputError, ModelError, Prediction, Predictor
from model.text import check_text
from ui import shared, state, visits
from ui.parts import param_form
from ui.parts.card import growing_html
from ui.parts.text import as_markdown, counted, printable, shortened
from ui.parts.waiting import wait_for

GROWS_EVERY_S = 0.1
QUEUE_TIMEOUT_S = 60.0  # then the visitor is asked to try again


def opened() -> Entry | None:
    """The entry that a new `p` in the URL names, or the one this session has open.

    An old `p` changes nothing: it stays in the URL while a newer prediction waits to be stored.
    """
    page = state.try_page()
    wanted = st.query_params.get("p")
    if wanted is not None and wanted != page.linked:
        if found := _find(wanted):
            _open(found)
        if page.entry:  # else there is nothing to lose by looking again
            page.linked = wanted
    elif page.TEXT not in st.session_state and page.asked:
        # Back from another page, where Streamlit drops the text area's state, and still waiting.
        _fill(*page.asked)
    elif page.entry and page.TEXT not in st.session_state:
        _open(page.entry)
        page.linked = None  # the URL has lost its `p`, too
    return page.entry


def _find(wanted: str) -> Entry | None:
    """The entry with this id; says on the page if there is none."""
    try:
        found = shared.log().find(UUID(wanted))
    except ValueError:
        found = None
    except FeedbackError as error:
        st.error(as_markdown(str(error)))
        return None
    if found is None:
        st.warning(f"There is no prediction {as_markdown(wanted[:40])} in the log.")
        del st.query_params["p"]
    return found


def _open(entry: Entry) -> None:
    """Opens `entry`, with its input in the text area and its parameters in the form."""
    state.try_page().entry = entry
    # A seed that was drawn would have every further text drawn by it.
    params = {k: v for k, v in entry.prediction.params.items() if k != "seed"}
    _fill(entry.prediction.input, params)


def _fill(text: str, params: Mapping[str, Any]) -> None:
    """Puts a text and parameters into the form."""
    st.session_state[state.TryState.TEXT] = printable(text)
    param_form.fill(params)


def examples(every: Sequence[Example]) -> bool:
    """A button each; whether one was clicked, which is then in the form."""
    chosen = None
    with st.container(horizontal=True, gap="small", key=state.Styled.EXAMPLES):
        for number, example in enumerate(every):
            label = as_markdown(shortened(example.text, max_chars=44))
            if st.button(label, key=f"example-{number}"):
                chosen = example
    if chosen:
        _fill(chosen.text, chosen.params)
    return chosen is not None


def ask(text: str, params: Mapping[str, Any]) -> None:
    """Asks for a prediction; it stays asked for if another click overtakes the run that waits."""
    _let_go()
    state.try_page().asked = (text, dict(params))


def answer(model: Predictor) -> Entry | None:
    """The prediction that was asked for, now open; None if there is none to make or to be had."""
    page = state.try_page()
    if page.asked is None:
        return None
    entry = _predict(model, *page.asked)
    _let_go()
    page.asked = None
    return entry


def _predict(model: Predictor, text: str, params: Mapping[str, Any]) -> Entry | None:
    """Predicts and opens the result; says on the page why not, and returns None."""
    try:
        check_text(text, max_chars=shared.settings().limits.max_chars)
        entry = state.try_page().entry
        if entry and _is_answered_by(entry.prediction, text, params, model.info.revision):
            return entry  # a second click on the same text: the answer is there
        if model.generates:
            prediction = _grow(model, text, params)
        else:
            future = model.submit(text, params, timeout_s=QUEUE_TIMEOUT_S)
            prediction = wait_for(future, "Predicting…", lambda: _place(model, future))
    except InputError as error:
        st.info(as_markdown(str(error)))
        return None
    except ModelError as error:
        st.error(as_markdown(str(error)))
        return None
    except CancelledError:
        st.info("Stopped before it began.")
        return None
    entry = Entry(prediction=prediction, source="page", session_id=visits.current().id)
    box = state.outbox()
    state.try_page().entry = entry
    box.put(entry)
    return entry


def _place(model: Predictor, future: Future[Prediction]) -> str:
    """Where a text waits, in words; nothing once its turn has come."""
    place = model.place(future)
    if place is None or not place.ahead:
        return ""
    return (
        f"{counted(place.ahead, 'text')} in front of yours, about {max(1, round(place.wait_s))} s."
    )


def _is_answered_by(
    prediction: Prediction, text: str, params: Mapping[str, Any], revision: str
) -> bool:
    """True if the same was asked of the same model, and the output is whole."""
    asked = (prediction.input, prediction.model_revision, dict(prediction.params))
    return prediction.output.is_whole and asked == (text, revision, dict(params))


def _grow(model: Predictor, text: str, params: Mapping[str, Any]) -> Prediction:
    """Shows a text while it is generated, with a button that stops it.

    A click on anything starts another run, which finds the same text growing in the session. Who
    closes the tab leaves it unread, and then it stops by itself.
    """
    page = state.try_page()
    generation = page.generation
    if generation is None:
        generation = page.generation = model.stream(text, params)
    stop, card = st.empty(), st.empty()  # the button stays in sight while the card grows
    stop.button("Stop", key="stop", icon=":material/stop_circle:", on_click=generation.stop)
    while not generation.wait(GROWS_EVERY_S):
        card.html(growing_html(text, generation.text if generation.begun else None))
    card.empty()
    stop.empty()
    return generation.future.result()


def _let_go() -> None:
    """Stops a text that nobody will see: another was asked for."""
    page = state.try_page()
    generation, page.generation = page.generation, None
    if generation:
        generation.stop()


def link(entry: Entry) -> None:
    """Puts `entry` into the URL, where a reload or a colleague finds it, once it is stored.

    Only when it is opened: done again after the browser's back button, it would undo that.
    """
    page, prediction_id = state.try_page(), str(entry.prediction.id)
    if page.linked != prediction_id and not state.outbox().holds(entry.prediction.id):
        page.linked = prediction_id
        st.query_params["p"] = prediction_id
