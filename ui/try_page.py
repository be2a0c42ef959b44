"""What lies before one reviewer: the prediction that is open, and what waits to be stored.

Kept in the session's state; a page reads it, this module changes it.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any
from uuid import UUID

import streamlit as st

from feedback import Entry, FeedbackError
from model import Example, Generation, InputError, ModelError, Prediction, Predictor
from model.text import check_text
from ui import shared, visits
from ui.outbox import Outbox
from ui.parts import param_form
from ui.parts.card import growing_html
from ui.parts.text import as_markdown, counted, printable, shortened
from ui.parts.waiting import wait_for

GROWS_EVERY_S = 0.1
QUEUE_TIMEOUT_S = 60.0  # then the visitor is asked to try again


def outbox() -> Outbox:
    if "outbox" not in st.session_state:
        st.session_state["outbox"] = Outbox()
    box: Outbox = st.session_state["outbox"]
    return box


def model() -> Predictor | None:
    """The model, once it is there; says on the page why there is none, and offers another try."""
    try:
        return wait_for(shared.loading(), "The model is loading. It is ready in a moment.")
    except ModelError as error:
        st.error(as_markdown(str(error)))
        st.button("Try again", on_click=shared.loader().retry)
        return None


def opened() -> Entry | None:
    """The entry that a new `p` in the URL names, or the one this session has open.

    An old `p` changes nothing: it stays in the URL while a newer prediction waits to be stored.
    """
    entry: Entry | None = st.session_state.get("entry")
    wanted = st.query_params.get("p")
    if wanted is not None and wanted != st.session_state.get("seen_p"):
        found = _find(wanted)
        if found:
            entry = found
            _open(entry)
        if entry:  # else there is nothing to lose by looking again
            st.session_state["seen_p"] = wanted
    elif "text" not in st.session_state and "asked" in st.session_state:
        # Back from another page, where Streamlit drops the text area's state, and still waiting.
        text, params = st.session_state["asked"]
        _fill(text, params)
    elif entry and "text" not in st.session_state:
        _open(entry)
        st.session_state.pop("seen_p", None)  # the URL has lost its `p`, too
    return entry


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
    st.session_state["entry"] = entry
    # A seed that was drawn would have every further text drawn by it.
    params = {k: v for k, v in entry.prediction.params.items() if k != "seed"}
    _fill(entry.prediction.input, params)


def _fill(text: str, params: Mapping[str, Any]) -> None:
    """Puts a text and parameters into the form."""
    st.session_state["text"] = printable(text)
    param_form.fill(params)


def examples(every: Sequence[Example]) -> bool:
    """A button each; whether one was clicked, which is then in the form."""
    chosen = None
    with st.container(horizontal=True, gap="small", key="examples"):
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
    st.session_state["asked"] = (text, dict(params))


def answer(model: Predictor) -> Entry | None:
    """The prediction that was asked for, now open; None if there is none to make or to be had."""
    if "asked" not in st.session_state:
        return None
    text, params = st.session_state["asked"]
    entry = _predict(model, text, params)
    _let_go()
    del st.session_state["asked"]
    return entry


def _predict(model: Predictor, text: str, params: Mapping[str, Any]) -> Entry | None:
    """Predicts and opens the result; says on the page why not, and returns None."""
    try:
        check_text(text, max_chars=shared.settings().limits.max_chars)
        entry: Entry | None = st.session_state.get("entry")
        if entry and _says_again(entry.prediction, text, params, model.info.revision):
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
    box = outbox()
    st.session_state["entry"] = entry
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


def _says_again(
    prediction: Prediction, text: str, params: Mapping[str, Any], revision: str
) -> bool:
    """Whether the same was asked of the same model, and the answer is whole."""
    asked = (prediction.input, prediction.model_revision, dict(prediction.params))
    return prediction.output.is_whole and asked == (text, revision, dict(params))


def _grow(model: Predictor, text: str, params: Mapping[str, Any]) -> Prediction:
    """Shows a text while it is generated, with a button that stops it.

    A click on anything starts another run, which finds the same text growing in the session. Who
    closes the tab leaves it unread, and then it stops by itself.
    """
    generation: Generation | None = st.session_state.get("generation")
    if generation is None:
        generation = st.session_state["generation"] = model.stream(text, params)
    stop, card = st.empty(), st.empty()  # the button stays in sight while the card grows
    stop.button("Stop", key="stop", icon=":material/stop_circle:", on_click=generation.stop)
    while not generation.wait(GROWS_EVERY_S):
        card.html(growing_html(text, generation.text if generation.begun else None))
    card.empty()
    stop.empty()
    return generation.future.result()


def _let_go() -> None:
    """Stops a text that nobody will see: another was asked for."""
    generation: Generation | None = st.session_state.pop("generation", None)
    if generation:
        generation.stop()


def saw(*predictions: Prediction) -> None:
    """Notes that this visit has these outputs before it."""
    memory = visits.remembered(visits.current().id)
    for prediction in predictions:
        memory.saw(prediction.id)


def has_seen(entry: Entry) -> bool:
    """Whether this visit has had the output of `entry` before it."""
    visit = visits.current().id
    asked_for_it = entry.source != "batch" and entry.session_id == visit
    return asked_for_it or entry.prediction.id in visits.remembered(visit).seen


def store() -> None:
    """Stores what waits; where that fails, says so and offers to try again."""
    box = outbox()
    if box.is_due:
        box.send(shared.log)
    if box.error:
        with st.container(border=True):
            st.warning(
                f"**Not stored yet.** {as_markdown(box.error)} What you predicted and rated is "
                "kept until you close this tab, and sent again when you use it."
            )
            st.button("Send again", key="send_again", on_click=box.send, args=(shared.log,))


def link(entry: Entry) -> None:
    """Puts `entry` into the URL, where a reload or a colleague finds it, once it is stored.

    Only when it is opened: done again after the browser's back button, it would undo that.
    """
    prediction_id = str(entry.prediction.id)
    linked = st.session_state.get("seen_p") == prediction_id
    if not linked and not outbox().holds(entry.prediction.id):
        st.session_state["seen_p"] = prediction_id
        st.query_params["p"] = prediction_id
