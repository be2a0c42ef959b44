"""The rating of one prediction: thumbs, and on thumbs down a correction and a comment.

Each click is stored at once as a new revision; there is nothing to submit and nothing to lose.
"""

from collections.abc import Sequence
from typing import Any, Literal, cast

import streamlit as st

from errors import TryoutError
from feedback import Entry, Rating
from feedback.corrections import labels_from_text, labels_to_text, spans_to_text
from model import GeneratedText, Prediction, ScoredLabels, Spans
from ui import shared, try_page, visits
from ui.parts import why
from ui.parts.labels import correction_in_words, distinct
from ui.parts.spans import corrected, edited, span_rows
from ui.parts.text import as_markdown, printable

MAX_TEXT_CHARS = 20_000
MAX_PILLS = 12
THUMBS: dict[str, Literal[0, 1]] = {"down": 0, "up": 1}


@st.fragment
def show(entry: Entry, *, linked: bool = False) -> None:
    """The form for the visit's own rating, and what others said; stores what waits before that.

    A fragment: a click in here runs this again and not the page. In one container, so that a
    prediction that takes long replaces all of it: a click on what is about to go would be lost.
    `linked` puts the prediction into the URL.
    """
    with st.container():
        try:
            try_page.store()
            if linked:
                try_page.link(entry)
            _take_name()
            _form(entry)
        except TryoutError as error:  # not seen outside a fragment
            st.error(as_markdown(str(error)))


@st.fragment
def show_row(entry: Entry, html: str) -> None:
    """One of many predictions as `html`, with thumbs beside it and the correction below."""
    with st.container(key=f"row-{entry.prediction.id}"):
        try:
            try_page.saw(entry.prediction)
            with st.container(horizontal=True, vertical_alignment="center"):
                st.html(html, width="stretch")
                mine = try_page.outbox().newest(entry, visits.current().reviewer, shared.log)
                _thumbs(entry, mine)
            if mine and mine.verdict == "down":
                _correct(entry, mine)
            if try_page.outbox().holds(entry.prediction.id):
                st.caption("Not stored yet.")
        except TryoutError as error:  # not seen outside a fragment
            st.error(as_markdown(str(error)))


def _thumbs(entry: Entry, mine: Rating | None) -> None:
    key = f"thumbs-{entry.prediction.id}"
    st.session_state[key] = THUMBS[mine.verdict] if mine else None
    st.feedback("thumbs", key=key, on_change=_thumbs_changed, args=(entry,))


def _form(entry: Entry) -> None:
    prediction = entry.prediction
    said = try_page.outbox().said(entry, visits.current().reviewer, shared.log)
    mine = said.mine
    with st.container(horizontal=True, vertical_alignment="center", key="thumbs"):
        st.markdown("**Is this right?**", width="content")
        _thumbs(entry, mine)
        if mine:
            kept = try_page.outbox().holds(prediction.id)
            st.caption("Not stored yet" if kept else "Saved", width="content")
            st.button(
                "Retract",
                type="tertiary",
                on_click=_save,
                args=(entry,),
                kwargs={"retracted": True},
            )
    if mine and mine.verdict == "down":
        _correct(entry, mine)
    if mine and (mine.verdict == "down" or mine.comment):
        _comment(entry, mine)
    why.show(entry)
    _name()
    for rating in said.others:
        st.text(_sentence(entry, rating))
    if said.error:
        st.caption(f"The ratings of others cannot be shown now. {as_markdown(said.error)}")


def _correct(entry: Entry, mine: Rating) -> None:
    prediction = entry.prediction
    match prediction.answer_kind:
        case "label" | "labels":
            _labels(entry, cast(ScoredLabels, prediction.output), mine)
        case "text":
            _text(entry, mine)
        case "spans":
            _spans(entry, cast(Spans, prediction.output), mine)


def _comment(entry: Entry, mine: Rating) -> None:
    key = f"comment-{entry.prediction.id}"
    _fill(key, printable(mine.comment))
    st.text_area("Comment (optional)", key=key, height=80, on_change=_save, args=(entry,))
    _limit(key)
    # Leaving the field stores the comment; the button is a place to go to.
    st.button("Save comment")


def _limit(key: str) -> None:
    """Says that a text is too long to be stored; the field itself would drop it in silence."""
    chars = len(st.session_state[key])
    if chars > MAX_TEXT_CHARS:
        st.error(
            f"Not stored: {chars:,} characters, and at most {MAX_TEXT_CHARS:,} are. Shorten it."
        )


def _labels(entry: Entry, output: ScoredLabels, mine: Rating) -> None:
    """One other label; or where several may apply, all that do."""
    key, multi_label = f"correction-{entry.prediction.id}", output.multi_label
    options = sorted(item.label for item in output.items if multi_label or item != output.items[0])
    said = _said_labels(output, mine.correction)
    few, name_of = len(options) <= MAX_PILLS, shared.names_for(entry.prediction)
    safe = as_markdown if few else printable
    names = distinct(options, lambda label: safe(name_of(label)))
    common: dict[str, Any] = {
        "options": options,
        "format_func": names.__getitem__,
        "key": key,
        "on_change": _labels_changed if multi_label else _label_changed,
        "args": (entry,),
    }
    if multi_label:
        st.session_state[key] = [label for label in said if label in options]
        title = "Which labels should it have been?"
        if few:
            st.pills(title, selection_mode="multi", **common)
        else:
            st.multiselect(title, **common)
    elif options:
        st.session_state[key] = next((label for label in said if label in options), None)
        title = "What should it have been?"
        if few:
            st.pills(title, **common)
        else:
            st.selectbox(title, placeholder="Choose a label", **common)


def _said_labels(output: ScoredLabels, correction: str) -> Sequence[str]:
    """The labels of a stored correction; without one, several start from the output's."""
    if not output.multi_label:
        return (correction,)
    said = labels_from_text(correction)
    return output.chosen if said is None else said


def _text(entry: Entry, mine: Rating) -> None:
    """Words for a gap, or the generated text as it should have been."""
    key, output = f"correction-{entry.prediction.id}", entry.prediction.output
    common: dict[str, Any] = {"key": key, "on_change": _save, "args": (entry,)}
    if isinstance(output, GeneratedText):
        _fill(key, printable(mine.correction or output.text))
        st.text_area("What should it have been?", height=160, **common)
        _limit(key)
        st.button("Save correction")
    else:
        _fill(key, printable(mine.correction))
        st.text_input("What should it have been?", **common)
        _limit(key)


def _spans(entry: Entry, output: Spans, mine: Rating) -> None:
    """The spans as rows of words and labels; a row added or deleted is stored at once."""
    prediction = entry.prediction
    key, rows_key = f"spans-{prediction.id}", f"span-rows-{prediction.id}"
    if key not in st.session_state or rows_key not in st.session_state:
        st.session_state[rows_key] = span_rows(prediction.input, output, mine.correction)
    rows = st.session_state[rows_key]
    changes = st.session_state.get(key)
    said = corrected(prediction.input, edited(rows, changes) if changes else rows)
    if changes and any(changes.values()) and spans_to_text(said.spans) != mine.correction:
        # Not in a callback: one that is overtaken by another click never comes back.
        _save(entry, correction=spans_to_text(said.spans))
    name_of = shared.names_for(prediction)
    labels = list(dict.fromkeys([*_model_labels(prediction), *(row["label"] for row in rows)]))
    names = distinct(labels, lambda label: printable(name_of(label)))
    st.caption("What should it have been? Change, delete or add rows: words of the text, a label.")
    shown = {name: [printable(row[name]) for row in rows] for name in ("text", "label")}
    st.data_editor(
        shown,
        key=key,
        num_rows="dynamic",
        hide_index=True,
        column_config={
            "text": st.column_config.TextColumn("Words"),
            "label": st.column_config.SelectboxColumn(
                "Label", options=labels, format_func=lambda label: names[str(label)]
            )
            if labels
            else st.column_config.TextColumn("Label"),
        },
    )
    for problem in said.problems:
        st.caption(as_markdown(problem))


def _model_labels(prediction: Prediction) -> Sequence[str]:
    """The labels that the model has, if it is the one that is loaded."""
    model = shared.loaded()
    is_its = model is not None and model.info.revision == prediction.model_revision
    return model.info.labels if model and is_its else ()


def name() -> None:
    """Asks for the reviewer's name, and takes it."""
    _take_name()
    _name()


def _name() -> None:
    _fill("name", visits.current().name)
    st.text_input(
        "Your name (optional)",
        key="name",
        max_chars=visits.MAX_NAME_CHARS,
        placeholder="Stored with your ratings",
        help="Ratings under the same name count as one reviewer's; another name is another one.",
        width=280,
    )


def _sentence(entry: Entry, rating: Rating) -> str:
    """Another reviewer's rating in words, as plain text."""
    parts = [f"{rating.reviewer} rated it {rating.verdict}"]
    if rating.correction:
        words = correction_in_words(
            entry.prediction, rating.correction, shared.names_for(entry.prediction)
        )
        parts.append(f"said {words}")
    if rating.comment:
        parts.append(f"“{rating.comment}”")
    return printable(", ".join(parts))


# --- callbacks: each runs before the page and stores -------------------------------------------
# A reading of the session's state can end a run that the visitor has overtaken with another
# click. So everything is read first, and what has begun to be stored is stored.


def _thumbs_changed(entry: Entry) -> None:
    thumbs = st.session_state[f"thumbs-{entry.prediction.id}"]
    if thumbs is None:
        _save(entry, retracted=True)
    elif thumbs == THUMBS["up"]:
        _save(entry, verdict="up", correction="")
    else:
        _save(entry, verdict="down")


def _label_changed(entry: Entry) -> None:
    _save(entry, correction=st.session_state[f"correction-{entry.prediction.id}"] or "")


def _labels_changed(entry: Entry) -> None:
    labels = st.session_state[f"correction-{entry.prediction.id}"]
    _save(entry, correction=labels_to_text(labels))


def _save(entry: Entry, **changes: Any) -> None:
    """Stores a revision: `changes`, and what was typed and not taken yet."""
    reviewer, box = visits.current().reviewer, try_page.outbox()
    typed = {"comment": _typed(f"comment-{entry.prediction.id}")}
    if entry.prediction.answer_kind == "text":
        typed["correction"] = _typed(f"correction-{entry.prediction.id}")
    taken = {n: t for n, t in typed.items() if t is not None and len(t) <= MAX_TEXT_CHARS}
    changes = {n: t.strip() for n, t in taken.items()} | changes
    if "verdict" in changes or "correction" in changes:
        changes["blind"] = False  # the output is in sight here
    if seen := why.in_sight(entry.prediction.id):
        changes["attribution"] = seen
    box.revise(entry, reviewer, shared.log, **changes)
    for name, text in taken.items():
        st.session_state[f"{name}-{entry.prediction.id}-taken"] = text


# A callback that is overtaken never comes back. What was typed is therefore compared with what was
# last taken, so that the next run takes it, whichever click that run is for.


def _fill(key: str, text: str) -> None:
    """Puts `text` into a field that this session has not shown yet."""
    if key not in st.session_state:
        st.session_state[key] = st.session_state[f"{key}-taken"] = text


def _typed(key: str) -> str | None:
    """What is in a field and was not taken yet."""
    text: str | None = st.session_state.get(key)
    return None if text == st.session_state.get(f"{key}-taken") else text


def _take_name() -> None:
    """Who rated and then gave a name is one reviewer; who then gives another is another one."""
    visit, name, box = visits.current(), _typed("name"), try_page.outbox()
    if name is not None:
        renamed = visits.rename(visit, name)
        if not visit.name:
            box.rename(visit.reviewer, renamed.reviewer, shared.log)
        st.session_state["name-taken"] = name
