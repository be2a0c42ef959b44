"""The state of a session: one typed object a page, and the widget keys that modules share.

A widget's key is here if a module other than the widget's own reads or sets it; the style sheet
names those of `Styled`. All other widget keys are private to the module of their widget.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import streamlit as st

from feedback import Entry
from feedback.filters import Filter
from feedback.preferences import Better
from feedback.records import ModelRevision, Sampling
from files.tables import Table
from model import Attribution, Generation
from ui.outbox import Outbox

NEVER_S = float("-inf")
State = TypeVar("State")


class Styled:
    """Keys of containers and fields that ui/style.css names as .st-key-…"""

    EXAMPLES = "examples"
    THUMBS = "thumbs"
    ROW = "row-"  # followed by the id of the row's prediction
    LOOK_UP = "look-up-"  # followed by the number of the job


@dataclass(frozen=True, slots=True)
class Explanation:
    """An explanation that the visitor asked for; `in_sight` is its JSON once it is shown."""

    prediction_id: UUID
    future: Future[Attribution]
    in_sight: str = ""


@dataclass(slots=True)
class SessionState:
    """The state that all pages share: the visit, the outbox, parameters, texts being typed.

    `model` is the model that the visit saw last, `former_model` the one before a change. `taken`
    has, by widget key, the text of a field that was stored last. `span_rows` are, by prediction,
    the rows that a correction of its spans began with.
    """

    NAME: ClassVar = "name"

    visit_id: str = ""
    outbox: Outbox = field(default_factory=Outbox)
    params: Mapping[str, Any] = field(default_factory=dict)
    explanation: Explanation | None = None
    model: ModelRevision | None = None
    former_model: ModelRevision | None = None
    taken: dict[str, str] = field(default_factory=dict)
    span_rows: dict[UUID, list[dict[str, Any]]] = field(default_factory=dict)

    @staticmethod
    def comment_key(entry: Entry) -> str:
        """The key of the comment on a prediction."""
        return f"comment-{entry.prediction.id}"

    @staticmethod
    def correction_key(entry: Entry) -> str:
        """The key of a correction that is typed as a text."""
        return f"correction-{entry.prediction.id}"


@dataclass(slots=True)
class TryState:
    """The Try page: the open prediction, the input asked for, the text being generated.

    `linked` is the `p` of the URL that was opened or written last.
    """

    TEXT: ClassVar = "text"

    entry: Entry | None = None
    linked: str | None = None
    asked: tuple[str, dict[str, Any]] | None = None
    generation: Generation | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload, read once. `source` identifies it (file id or the pasted text).

    `header` is the choice it was read with. After an `error`, `table` is the last good one.
    """

    id: UUID
    source: str
    name: str
    table: Table | None
    header: bool | None
    error: str = ""


@dataclass(slots=True)
class BatchState:
    """The Batch page: the id of the open batch, the upload of the form, the row that is looked up.

    `looked_up` is the key or the text that was asked for, "" for none, and `renewed` the key whose
    prediction was made anew last. The number of the `form` is in the keys of its widgets. An empty
    form uses new widget keys: a widget that one run did not draw is empty in the browser and still
    filled in session_state.
    """

    opened: str | None = None
    form: int = 0
    upload: Upload | None = None
    looked_up: str = ""
    renewed: str = ""

    def form_key(self, name: str) -> str:
        """The key of a widget of the form."""
        return f"batch-{name}-{self.form}"

    def clear_form(self) -> None:
        """Drops the upload, a table of megabytes, and begins an empty form."""
        self.form += 1
        self.upload = None


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A prediction to review, and the sampling that chose it."""

    entry: Entry
    sampling: Sampling

    @property
    def id(self) -> UUID:
        return self.entry.prediction.id


@dataclass(slots=True)
class ReviewState:
    """The Review page: the item that is shown, and the items rated or skipped before it.

    `empty_s` is the time at which the queue was last empty: it is not asked again at once, as that
    may read all of it. `message` is about the item before, `texts` are the inputs of the items
    before, `pressed` is the last action and its time in seconds.
    """

    QUEUE: ClassVar = "review-queue"
    OUTPUT: ClassVar = "review-output"

    queue: str = ""
    blind: bool = False
    item: ReviewItem | None = None
    empty_s: float = NEVER_S
    rated: list[ReviewItem] = field(default_factory=list)
    skipped: list[UUID] = field(default_factory=list)
    message: str = ""
    texts: set[str] = field(default_factory=set)
    pressed: tuple[str, float] = ("", NEVER_S)


@dataclass(slots=True)
class FeedbackState:
    """The Feedback page: the predictions that a click on a chart selected.

    `cleared` counts the selections that were dropped. It is in the keys of charts, as a chart
    drops its selection only with its key. `imported` is the message of the last import.
    """

    PAGE: ClassVar = "page"
    VERDICT: ClassVar = "verdict"
    LABEL: ClassVar = "label"
    WORDS: ClassVar = "words"

    selected: Filter = field(default_factory=Filter)
    cleared: int = 0
    imported: str = ""

    def first_page(self) -> None:
        """Turns the table of predictions to its first page."""
        st.session_state[self.PAGE] = 1

    def empty_filters(self) -> None:
        """Empties the filters above the table."""
        for key in (self.VERDICT, self.LABEL, self.WORDS):
            st.session_state[key] = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two predictions in the order shown; `id` is that of the preference to come."""

    id: UUID
    first: Entry
    second: Entry
    better: Better | None = None

    @property
    def same_answer(self) -> bool:
        return self.first.prediction.answer == self.second.prediction.answer


@dataclass(slots=True)
class CompareState:
    """The Compare page: the two predictions that are shown side by side."""

    pair: Pair | None = None


def session() -> SessionState:
    """The state that all pages of this session share."""
    return _state_of(SessionState)


def outbox() -> Outbox:
    """The predictions and ratings that this session has not stored yet."""
    return session().outbox


def try_page() -> TryState:
    return _state_of(TryState)


def batch_page() -> BatchState:
    return _state_of(BatchState)


def review_page() -> ReviewState:
    return _state_of(ReviewState)


def feedback_page() -> FeedbackState:
    return _state_of(FeedbackState)


def compare_page() -> CompareState:
    return _state_of(CompareState)


def _state_of(kind: type[State]) -> State:
    """The object of this kind in Streamlit's session state, where its key is the class's name."""
    key = kind.__name__
    if key not in st.session_state:
        st.session_state[key] = kind()
    state: State = st.session_state[key]
    return state
