"""What a visitor does, as steps that several tests take."""

import csv
import io
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from feedback.csv_file import COLUMNS


def submit(page: Page, text: str) -> None:
    """Fills the text in and presses Ctrl+Enter."""
    area = page.get_by_label("Text", exact=True)
    area.fill(text)
    area.press("Control+Enter")


def predict(page: Page, text: str) -> None:
    """Submits the text and waits for its card and its link."""
    before = page.url
    submit(page, text)
    expect(page.locator(".card-input")).to_have_text(text)
    expect(page).not_to_have_url(before)
    expect(page).to_have_url(re.compile(r"\?p=[0-9a-f-]{36}$"))


def settled(page: Page) -> None:
    """Waits until no script run is under way."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def thumb(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name).check(force=True)
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()


def exported(page: Page, url: str, *, unrated: bool = False) -> tuple[bytes, list[dict[str, str]]]:
    page.goto(f"{url}/feedback")
    button = page.get_by_role(
        "button", name="Export all predictions" if unrated else "Export ratings"
    )
    button.wait_for()
    settled(page)
    with page.expect_download() as download:
        button.click()
    content = Path(download.value.path()).read_bytes()
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert rows.fieldnames == list(COLUMNS)
    return content, list(rows)
