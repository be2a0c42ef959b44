"""The figures of batches as HTML: a table of batches, and the state of one. Knows no log."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from urllib.parse import quote

from feedback.any_batch import UNFINISHED, Figures
from ui.parts.age import age
from ui.parts.bars import percent
from ui.parts.text import as_html

STATES = {
    "prepared": "Prepared",
    "running": "Running",
    "done": "Done",
    "interrupted": "Interrupted",
    "failed": "Failed",
    UNFINISHED: "Unfinished",
}
AGE = "That of the oldest prediction"
STALE = "Predicted by another revision than that of the model now"
ALARMING = {"interrupted", "failed", UNFINISHED}


def table_html(batches: Sequence[Figures], *, now: datetime) -> str:
    """A row for each batch, whose name opens it; on a phone each row is a block."""
    rows = "".join(_row(each, now) for each in batches)
    return f"""<table class="batches"><thead><tr>
      <th scope="col">Batch</th><th scope="col">Predicted</th><th scope="col">Rejects</th>
      <th scope="col" title="{AGE}">Age</th><th scope="col" title="{STALE}">Stale</th>
      </tr></thead><tbody>{rows}</tbody></table>"""


def _row(batch: Figures, now: datetime) -> str:
    kind = f"job, from {as_html(batch.source)}" if batch.kind == "job" else "from this page"
    predicted = f"{batch.stored:,}"
    if batch.rows > batch.stored + batch.rejects:
        predicted += f" <small>of {batch.rows:,}</small>"
    return f"""<tr><th scope="row">
      <a href="/batch?b={quote(str(batch.id))}" target="_self"><bdi>{as_html(batch.name)}</bdi></a>
      <small>{state_html(batch.state)} {kind}</small></th>
      <td data-name="Predicted">{predicted}</td>
      <td data-name="Rejects">{batch.rejects:,}</td>
      <td data-name="Age">{age_of(batch.oldest, now)}</td>
      <td data-name="Stale">{_stale(batch)}</td></tr>"""


def state_html(state: str) -> str:
    """The state of a batch as a badge."""
    kind = "alarming" if state in ALARMING else state
    return f'<span class="state {as_html(kind)}">{as_html(STATES.get(state, state))}</span>'


def age_of(oldest: date | None, now: datetime) -> str:
    """The age of the oldest prediction, in days or longer units; "–" without any."""
    if oldest is None:
        return "–"
    if oldest >= now.date():
        return "today"
    return age(datetime(oldest.year, oldest.month, oldest.day, tzinfo=UTC), now)


def _stale(batch: Figures) -> str:
    share = batch.stale_share
    if share is None:
        return "–"
    return f'<span class="stale">{percent(share)}</span>' if share else "0 %"
