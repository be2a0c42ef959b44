"""The Try page: the open prediction, a request for another, and a text while it is generated."""

from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any
from uuid import UUID

import streamlit as st

from feedback import Entry, FeedbackError
from model import Example, InputError, ModelClosed, ModelError, Prediction, Predictor
from model.text import check_text
from ui import shared, state, visits
from ui.parts import param_form
from ui.parts.card import growing_html
from ui.parts.text import as_markdown, counted, printable, shortened
from ui.parts.waiting import QUEUE_TIMEOUT_S, wait_for

SHOWN_EVERY_S = 0.1


def current_entry() -> Entry | None:
    """The entry that a new `p` in the URL names, or the entry this session has open.

    An old `p` changes nothing: it stays in the URL while a newer prediction waits to be stored.
    """
    page = state.try_page()
    linked = st.query_params.get("p") or None
    if linked is not None and linked != page.linked:
        if entry := _find(linked):
            _open(entry)
        if page.entry:  # else there is nothing to lose by looking again
            page.linked = linked
    elif page.TEXT not in st.session_state and page.asked:
        # The visitor was on another page, where Streamlit drops the text area's state, and the
        # prediction is still to come.
        _fill(*page.asked)
    elif page.entry and page.TEXT not in st.session_state:
        _open(page.entry)
        page.linked = None  # the URL has lost its `p`, too
    return page.entry


def _find(prediction_id: str) -> Entry | None:
    """The entry with this id; says on the page if there is none."""
    try:
        entry = shared.log().find(UUID(prediction_id))
    except ValueError:
        entry = None
    except FeedbackError as error:
        st.error(as_markdown(str(error)))
        return None
    if entry is None:
        st.warning(f"There is no prediction {as_markdown(prediction_id[:40])} in the log.")
        del st.query_params["p"]
    return entry


def _open(entry: Entry) -> None:
    """Opens `entry`, with its input in the text area and its parameters in the form."""
    state.try_page().entry = entry
    # A seed in the form would be that of all further texts, too.
    params = {name: value for name, value in entry.prediction.params.items() if name != "seed"}
    _fill(entry.prediction.input, params)


def _fill(text: str, params: Mapping[str, Any]) -> None:
    """Puts a text and parameters into the form."""
    st.session_state[state.TryState.TEXT] = printable(text)
    param_form.fill(params)


def show_examples(examples: Sequence[Example]) -> bool:
    """A button for each example; True if a click has put one into the form."""
    chosen = None
    with st.container(horizontal=True, gap="small", key=state.Styled.EXAMPLES):
        for number, example in enumerate(examples):
            label = as_markdown(shortened(example.text, max_chars=44))
            if st.button(label, key=f"example-{number}"):
                chosen = example
    if chosen:
        _fill(chosen.text, chosen.params)
    return chosen is not None


def ask(text: str, params: Mapping[str, Any]) -> None:
    """Asks for a prediction, also for the next run if another click overtakes this one."""
    _stop_generation()
    state.try_page().asked = (text, dict(params))


def answer(model: Predictor) -> Entry | None:
    """The prediction that was asked for, now open; None if none was asked for, or it failed."""
    asked = state.try_page().asked
    if asked is None:
        return None
    entry = _predict(model, *asked)
    _stop_generation()
    page = state.try_page()
    if page.asked is asked:  # else a later click has asked for another
        page.asked = None
    return entry


def _predict(model: Predictor, text: str, params: Mapping[str, Any]) -> Entry | None:
    """Predicts a text and opens the prediction; None if it cannot, which it says on the page."""
    try:
        check_text(text, max_chars=shared.settings().limits.max_chars)
        entry = state.try_page().entry
        if entry and _is_answered_by(entry.prediction, text, params, model.info.revision):
            return entry  # a second click on the same text: the answer is there
        if model.generates:
            prediction = _generate(model, text, params)
        else:
            future = model.submit(text, params, timeout_s=QUEUE_TIMEOUT_S)
            prediction = wait_for(future, "Predicting…", lambda: _place(model, future))
    except InputError as error:
        st.info(as_markdown(str(error)))
        return None
    except ModelError as error:
        if isinstance(error, ModelClosed) and shared.loaded() is not model:
            st.rerun()  # another model has come, and gets the question, which is still asked
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
    """The place of a text in the queue, in words; "" once its turn has come."""
    place = model.place(future)
    if place is None or not place.ahead:
        return ""
    return (
        f"{counted(place.ahead, 'text')} in front of yours, about {max(1, round(place.wait_s))} s."
    )


def _is_answered_by(
    prediction: Prediction, text: str, params: Mapping[str, Any], revision: str
) -> bool:
    """True if the prediction is of this text, parameters and model, and its output is whole."""
    question = (prediction.input, prediction.model_revision, dict(prediction.params))
    return prediction.output.is_whole and question == (text, revision, dict(params))


def _generate(model: Predictor, text: str, params: Mapping[str, Any]) -> Prediction:
    """Shows a text while it is generated, with a button that stops it.

    A click on anything starts another run, which finds the same generation in the session. When
    the tab is closed nothing reads it any more, and it stops by itself.
    """
    page = state.try_page()
    generation = page.generation
    if generation is None:
        generation = model.stream(text, params)
        # Read anew: a run that another question has overtaken ends here, and leaves it nothing.
        state.try_page().generation = generation
    stop, card = st.empty(), st.empty()  # the button stays in sight while the card grows
    stop.button("Stop", key="stop", icon=":material/stop_circle:", on_click=generation.stop)
    while not generation.wait(SHOWN_EVERY_S):
        card.html(growing_html(text, generation.text if generation.begun else None))
    card.empty()
    stop.empty()
    return generation.future.result()


def _stop_generation() -> None:
    """Stops a text that nobody will see, if one is being generated."""
    page = state.try_page()
    generation, page.generation = page.generation, None
    if generation:
        generation.stop()


def link(entry: Entry) -> None:
    """Puts `entry` into the URL, where a reload or a colleague finds it, once it is stored.

    Once for each opened entry: repeated after the browser's back button, it would undo that.
    """
    page, prediction_id = state.try_page(), str(entry.prediction.id)
    if page.linked != prediction_id and not state.outbox().holds(entry.prediction.id):
        st.query_params["p"] = prediction_id
        page.linked = prediction_id
