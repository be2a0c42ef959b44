"""Whichever page is opened first on a fresh process, the router runs it.

Streamlit's old way of pages, a folder `pages/` beside the script, would run it alone.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.server import free_port, serving

TITLES = {
    "": "Tryout",
    "batch": "Batch",
    "review": "Review",
    "feedback": "Feedback",
    "compare": "Compare",
    "about": "About",
}


@pytest.mark.parametrize("path", TITLES)
def test_the_first_page_of_a_process_has_its_title_and_the_navigation(
    page: Page, tmp_path: Path, path: str
) -> None:
    # About tells of the model; for titles and navigation no other page needs one.
    without = {} if path == "about" else {"TRYOUT_MODEL__ID": "./nowhere"}
    with serving(tmp_path / "log.db", port=free_port(), **without) as url:
        page.goto(f"{url}/{path}")
        expect(page.get_by_role("heading", name=TITLES[path], level=1)).to_be_visible()
        for title in ("Try", *list(TITLES.values())[1:]):
            expect(page.get_by_role("link", name=title, exact=True)).to_be_visible()
        if path == "about":
            expect(page.locator(".facts")).to_contain_text("model/bundled")
