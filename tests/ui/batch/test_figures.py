"""The table of batches: rows, rejects, ages, shares; a name is text and opens its batch."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from feedback.any_batch import Figures
from model.prediction import new_id
from ui.batch.figures import age_of, state_html, table_html

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def figures(**changes: Any) -> Figures:
    values: dict[str, Any] = {
        "id": new_id(),
        "name": "reviews",
        "kind": "job",
        "source": "reviews.csv",
        "state": "done",
        "rows": 5000,
        "stored": 4980,
        "rejects": 20,
        "stale": 1245,
        "oldest": date(2026, 11, 20),
        "newest": date(2026, 11, 21),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Figures(**(values | changes))


def test_a_row_has_the_figures_and_opens_its_batch() -> None:
    batch = figures()
    made = table_html([batch], now=NOW)
    assert f'href="/batch?b={batch.id}"' in made
    assert '"Predicted">4,980</td>' in made
    assert '"Rejects">20</td>' in made
    assert '"Age">8 days</td>' in made
    assert "25 %" in made
    assert "of 5,000" not in made, "with the rejects all rows are there"
    assert "of 5,000" in table_html([figures(stored=10)], now=NOW)


def test_a_name_is_text() -> None:
    made = table_html([figures(name="<b>&", source="<i>")], now=NOW)
    assert "&lt;b&gt;&amp;" in made
    assert "<i>" not in made


@pytest.mark.parametrize(
    ("stale", "stored", "expected"), [(None, 9, "–"), (0, 0, "–"), (0, 9, "0 %"), (1, 900, "1 %")]
)
def test_a_share_is_never_rounded_to_nothing(stale: int | None, stored: int, expected: str) -> None:
    assert expected in table_html([figures(stale=stale, stored=stored)], now=NOW)


def test_an_age_counts_from_the_oldest_prediction() -> None:
    assert age_of(None, NOW) == "–"
    assert age_of(date(2026, 11, 28), NOW) == "today"
    assert age_of(date(2026, 11, 27), NOW) == "1 day"


def test_a_state_that_needs_somebody_is_marked() -> None:
    assert 'class="state alarming">Interrupted' in state_html("interrupted")
    assert 'class="state done">Done' in state_html("done")
