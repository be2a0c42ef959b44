"""A click on a chart shows the predictions behind it, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from feedback import FeedbackLog
from tests.helpers.browser_steps import settled
from tests.helpers.entries import entry, labels, rating
from tests.helpers.server import free_port, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("log") / "log.db"
    log = FeedbackLog(f"sqlite:///{path}")
    entries = [
        entry(f"{label} {n}", output=labels((label, 0.55 if n % 2 else 0.95), ("x", 0.01)))
        for label, count in (("joy", 8), ("rage", 6))
        for n in range(count)
    ]
    said = [
        rating(one, verdict="down" if n < 3 else "up", correction="rage" if n < 3 else "")
        for n, one in enumerate(entries)
    ]
    log.add(entries, said)
    log.close()
    # No model: the page reads the log alone.
    with serving(Path(path), port=free_port(), TRYOUT_MODEL__ID="./nowhere") as url:
        yield url


def click(page: Page, x: float, y: float) -> None:
    """Clicks the first chart at a share of its plot's width and height, axes aside."""
    chart = page.locator("[data-testid=stVegaLiteChart] .marks .background").first
    box = chart.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    page.wait_for_timeout(300)  # until the click has reached the server
    settled(page)


def test_a_mark_shows_what_is_behind_it_until_it_is_cleared(page: Page, server: str) -> None:
    page.goto(f"{server}/feedback")
    expect(page.get_by_text("14 rows")).to_be_visible()
    for question, axis, x, y, words, count in (
        ("How often is it right?", "thumbs up", 0.9, 0.25, "predicted joy", 8),
        ("Do its scores mean what they say?", "is right", 0.95, 0.3, "score 0.9 to 1.0", 7),
        ("What is mistaken for what?", "it said", 0.25, 0.75, "predicted joy, right is rage", 3),
    ):
        page.get_by_role("radio", name=question).check(force=True)
        expect(page.locator(".marks text", has_text=axis).first).to_be_visible()
        settled(page)
        click(page, x, y)
        cleared = page.get_by_role("button", name=words)
        expect(cleared).to_be_visible()
        expect(page.get_by_text(f"{count} rows")).to_be_visible()
        cleared.click()
        expect(page.get_by_text("14 rows")).to_be_visible()
