"""What lies before one reviewer: the prediction that is open, and what waits to be stored.

Kept in the session's state; a page reads it, this module changes it.
"""

from uuid import UUID

import streamlit as st

from feedback import Entry, FeedbackError
from model import InputError, ModelError
from model.prediction import Prediction
from model.tasks import check_text
from ui import shared, visits
from ui.outbox import Outbox
from ui.text import as_markdown, printable
from ui.waiting import wait_for


def outbox() -> Outbox:
    if "outbox" not in st.session_state:
        st.session_state["outbox"] = Outbox()
    box: Outbox = st.session_state["outbox"]
    return box


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
    elif entry and "text" not in st.session_state:
        # Back from another page, where Streamlit drops the text area's state and the URL its `p`.
        _open(entry)
        st.session_state.pop("seen_p", None)
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
    """Opens `entry`, with its input in the text area."""
    st.session_state["entry"] = entry
    st.session_state["text"] = printable(entry.prediction.input)


def ask(text: str) -> None:
    """Asks for a prediction; it stays asked for if another click overtakes the run that waits."""
    st.session_state["asked"] = text


def answer() -> Entry | None:
    """The prediction that was asked for, now open; None if there is none to make or to be had."""
    if "asked" not in st.session_state:
        return None
    entry = _predict(st.session_state["asked"])
    del st.session_state["asked"]
    return entry


def _predict(text: str) -> Entry | None:
    """Predicts and opens the result; says on the page why not, and returns None."""
    try:
        check_text(text, max_chars=shared.settings().limits.max_chars)
        model = wait_for(shared.loading(), "The model is loading. It is ready in a moment.")
        entry: Entry | None = st.session_state.get("entry")
        if entry and _says_again(entry.prediction, text, model.info.revision):
            return entry  # a second click on the same text: the answer is there
        prediction = wait_for(model.submit(text), "Predicting…")
    except InputError as error:
        st.info(as_markdown(str(error)))
        return None
    except ModelError as error:
        st.error(as_markdown(str(error)))
        return None
    entry = Entry(prediction=prediction, source="page", session_id=visits.current().id)
    box = outbox()
    st.session_state["entry"] = entry
    box.put(entry)
    return entry


def _says_again(prediction: Prediction, text: str, revision: str) -> bool:
    return prediction.input == text and prediction.model_revision == revision


def store() -> None:
    """Stores what waits; where that fails, says so and offers to try again."""
    box = outbox()
    if len(box) and not box.error:
        box.send(shared.log)
    if box.error:
        with st.container(border=True):
            st.warning(
                f"**Not stored yet.** {as_markdown(box.error)} What you predicted and rated is "
                "kept until you close this tab."
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
