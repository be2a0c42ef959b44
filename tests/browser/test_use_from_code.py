"""The code that a visitor copies from the page runs, and answers what the page shows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser_steps import predict, settled

TEXT = 'It\'s "the best" phone: \\ $(touch hacked) `id` <b> 😀 é'
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_copied_code_asks_for_the_text_of_the_page(
    page: Page, server: str, tmp_path: Path, size: dict[str, int]
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.set_viewport_size(size)  # type: ignore[arg-type]  # a TypedDict of the same fields
    page.goto(server)
    predict(page, TEXT)
    settled(page)
    before = _rating_px(page)
    page.get_by_text("Use from code").click()
    expect(page.get_by_role("tab", name="curl")).to_be_visible()
    settled(page)
    assert _rating_px(page) == before, "the rating does not move"
    curl = _copied(page)
    page.get_by_role("tab", name="Python").click()
    python = _copied(page)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    answer = json.loads(_run(["bash", "-c", curl], tmp_path))
    assert answer["predictions"][0]["input"] == TEXT
    label = answer["predictions"][0]["label"]
    expect(page.locator(".card-top")).to_contain_text(label)
    assert _run([sys.executable, "-c", python], tmp_path).startswith(f"{label} ")
    assert list(tmp_path.iterdir()) == []


def _rating_px(page: Page) -> float:
    """The distance of the rating from the title, wherever the page is scrolled to."""
    rating, title = page.get_by_text("Is this right?"), page.get_by_role("heading", level=1)
    down = "element => element.getBoundingClientRect().y"
    return float(rating.evaluate(down) - title.evaluate(down))


def _copied(page: Page) -> str:
    """The code in sight, by its button: no mouse has to be over the code for it to be seen."""
    page.mouse.move(0, 0)
    button = page.get_by_role("button", name="Copy to clipboard").filter(visible=True)
    expect(button).to_have_count(1)
    expect(button).to_have_css("visibility", "visible")
    page.evaluate("navigator.clipboard.writeText('')")
    button.click()
    # The page writes after the click, not with it.
    page.wait_for_function("navigator.clipboard.readText().then(text => text.length > 0)")
    return str(page.evaluate("navigator.clipboard.readText()"))


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, cwd=folder, timeout=60, check=True)
    return done.stdout.decode()
