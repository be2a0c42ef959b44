"""A row of a job looked up by key or text: its stored prediction, its age, and a newer one.

A prediction by another revision than the live one is stale, and can be made anew on the spot.
"""

from datetime import UTC, datetime

import streamlit as st

from feedback import FeedbackError
from feedback.jobs import lookup, newest_of, store
from feedback.jobs.records import Job, JobRow, StoredPrediction
from model import InputError, ModelError, Prediction
from ui import shared, state, visits
from ui.batch import live
from ui.parts import rating_form
from ui.parts.age import age, day_and_time
from ui.parts.card import card_html
from ui.parts.labels import names_for
from ui.parts.output import summary
from ui.parts.text import as_markdown, printable, shortened
from ui.parts.waiting import QUEUE_TIMEOUT_S, wait_for, wait_for_model

MAX_ROWS = 20  # of one text
MAX_HISTORY = 10


def show(job: Job) -> bool:
    """The field for a key or a text, and the row that has it.

    Returns True if a row is open, which then has the page to itself: its prediction may be among
    the rows to rate, and Streamlit wants each widget once.
    """
    st.subheader("Look up a row")
    page = state.batch_page()
    with st.form("look-up", border=False), st.container(horizontal=True):
        wanted = st.text_input(
            "Key or text",
            key=f"{state.Styled.LOOK_UP}{job.number}",
            placeholder=f"A row's {printable(job.key_column) or 'number'}, or its whole text",
            label_visibility="collapsed",
            width="stretch",
        )
        if st.form_submit_button("Look up", icon=":material/search:"):
            page.looked_up, page.renewed = wanted, ""
    if not page.looked_up:
        return False
    rows = _rows(job, page.looked_up)
    if not rows:
        st.info(
            f"No row of this batch has the key or the text "
            f"{as_markdown(shortened(page.looked_up, max_chars=80))}."
        )
        return False
    row = rows[0]
    if len(rows) > 1:
        st.caption(_this_text(len(rows)))
        keys = [each.key for each in rows]
        chosen = st.selectbox("Row", range(len(rows)), format_func=lambda at: printable(keys[at]))
        row = rows[chosen]
    _show_row(job, row)
    st.button("Back to the batch", icon=":material/arrow_back:", on_click=_close, args=(job,))
    return True


def _close(job: Job) -> None:
    page = state.batch_page()
    page.looked_up = page.renewed = st.session_state[f"{state.Styled.LOOK_UP}{job.number}"] = ""


def _this_text(rows: int) -> str:
    if rows == MAX_ROWS:
        return f"The first {rows} of the rows with this text:"
    return f"{rows} rows have this text:"


def _rows(job: Job, wanted: str) -> list[StoredPrediction]:
    """The row with this key, else those with this text; a key may have spaces around it."""
    log = shared.log()
    for key in dict.fromkeys((wanted, wanted.strip())):
        if found := lookup.by_keys(log, job, [key]):
            return list(found.values())
    return lookup.by_text(log, job, wanted, limit=MAX_ROWS)


def _show_row(job: Job, row: StoredPrediction) -> None:
    prediction = row.entry.prediction
    made_at = prediction.created_at
    visits.saw(prediction)
    st.html(card_html(prediction, names_for(prediction)))
    st.caption(
        f"Key {as_markdown(row.key)}, row {row.place + 1:,}. Predicted "
        f"{age(made_at, datetime.now(UTC))} ago, {day_and_time(made_at)}, by revision "
        f"{as_markdown(prediction.model_revision)} of {as_markdown(prediction.model_id)}."
    )
    _offer_another(job, row)
    _show_history(job, row)
    rating_form.show(row.entry)


def _offer_another(job: Job, row: StoredPrediction) -> None:
    """Says that the model has changed since, with a button that predicts the row anew."""
    prediction, model = row.entry.prediction, live.revision()
    if model is None:
        live.note_if_missing()
    elif live.made_by(prediction) != model:
        of = "" if model.model_id == prediction.model_id else f" of {as_markdown(model.model_id)}"
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(
                "**The model has changed since.** It is now revision "
                f"{as_markdown(model.model_revision)}{of}.",
                width="stretch",
            )
            again = st.button("Predict anew", icon=":material/refresh:", type="primary")
        if again and _renew(job, row):
            st.rerun()
    elif state.batch_page().renewed == row.key:
        st.success("Predicted anew and stored.", icon=":material/check:")


def _renew(job: Job, row: StoredPrediction) -> bool:
    """Has the live model predict the row and stores that; says on the page if it fails."""
    model = wait_for_model()
    if model is None:
        return False
    former, log = row.entry.prediction, shared.log()
    try:
        future = model.submit(former.input, former.params, timeout_s=QUEUE_TIMEOUT_S)
        prediction: Prediction = wait_for(future, "Predicting…")
        newest = newest_of(log, job, [row.key]).get(row.key)
        if newest is None or newest.created_at != former.created_at:
            return True  # a run of the job has stored a newer one meanwhile, maybe of another text
        _store(job, row, prediction, content=newest.content)
    except InputError as error:
        st.info(as_markdown(str(error)))
        return False
    except ModelError as error:
        st.error(as_markdown(str(error)))
        return False
    except FeedbackError as error:
        st.error(f"The new prediction is not stored. {as_markdown(str(error))}")
        return False
    state.batch_page().renewed = row.key
    return True


def _store(job: Job, row: StoredPrediction, prediction: Prediction, *, content: int) -> None:
    """Stores a prediction as the next version of the row, whose question is still the same."""
    outcome = JobRow(
        place=str(row.place + 1),
        number=row.place,
        key=row.key,
        text=prediction.input,
        outcome=prediction,
        content=content,
    )
    store(shared.log(), job, [outcome])


def _show_history(job: Job, row: StoredPrediction) -> None:
    """A line for each former prediction of the key, the newest first."""
    if row.version == 1:
        return
    former = [each for each in lookup.history(shared.log(), job, row.key) if not each.newest]
    lines = []
    for each in former[:MAX_HISTORY]:
        prediction = each.entry.prediction
        words = summary(prediction, names_for(prediction))
        score = "" if prediction.score is None else f" {prediction.score * 100:.0f} %"
        lines.append(
            f"{as_markdown(shortened(words, max_chars=80))}{score}, by revision "
            f"{as_markdown(prediction.model_revision)}, {day_and_time(prediction.created_at)}"
        )
    st.caption("Before: " + "; ".join(lines) + ".")
