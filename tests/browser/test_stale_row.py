"""A row of a job, looked up in a browser: its prediction is stale, and is made anew and stored."""

import json
import re
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, expect

from feedback import FeedbackLog
from feedback.jobs import by_keys, history
from tests.helpers.browser_steps import settled, thumb
from tests.helpers.predictor import FakePredictor
from tests.helpers.server import free_port, serving
from tests.helpers.stored_jobs import stored_job
from tests.helpers.until import until

ROWS = {"17": "I hate this phone.", "18": "It is Tuesday."}


def model_at(url: str) -> dict[str, str]:
    """The facts of the app's model, once it is loaded."""
    facts: dict[str, str] = {}

    def is_there() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/api/model", timeout=5) as answer:
                facts.update(json.load(answer))
        except OSError:
            return False
        return True

    until(is_there)
    return facts


def test_a_row_is_looked_up_is_stale_and_is_made_anew(page: Page, tmp_path: Path) -> None:
    database = tmp_path / "log.db"
    with serving(database, port=free_port()) as url:
        model = model_at(url)
        log = FeedbackLog(f"sqlite:///{database}")
        former = FakePredictor(model["id"], revision="of-last-week")
        former.load()
        job = stored_job(log, ROWS, name="reviews of last week", predictor=former)

        page.goto(f"{url}/batch")
        page.get_by_role("link", name="reviews of last week").click()
        expect(page.get_by_text("all of 2 are by another revision")).to_be_visible()
        field = page.get_by_placeholder("A row's id, or its whole text")
        field.fill("I hate this phone.")
        field.press("Enter")
        expect(page.get_by_text("Key 17, row 1.")).to_be_visible()
        expect(page.locator(".card-top")).to_contain_text("neutral")
        expect(page.get_by_text("The model has changed since.")).to_be_visible()

        page.get_by_role("button", name="Predict anew").click()
        expect(page.get_by_text("Predicted anew and stored.")).to_be_visible()
        expect(page.locator(".card-top")).to_contain_text("negative")
        expect(
            page.get_by_text(re.compile("^Before: neutral 80 %, by revision of"))
        ).to_be_visible()
        expect(page.get_by_text("1 of 2 is by another revision")).to_be_visible()
        thumb(page, "Thumbs up")

        newest = by_keys(log, job, ["17"])["17"]
        assert (newest.version, newest.entry.prediction.label) == (2, "negative")
        assert newest.entry.prediction.model_revision == model["revision"]
        assert [each.version for each in history(log, job, "17")] == [2, 1]
        assert [each.verdict for each in log.ratings_of(newest.entry.prediction.id)] == ["up"]

        page.reload()  # the address has the batch; the row is closed, the table shows the new one
        settled(page)
        row = page.locator(".card.row").filter(has_text="I hate this phone.")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("negative")
        log.close()
