"""The main job as a colleague does it: paste, predict, rate, reload, export."""

import re
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import WAIT_MS
from tests.helpers import tiny
from tests.helpers.browser_steps import exported, predict, settled, thumb
from tests.helpers.server import free_port, serving
from tests.helpers.until import until

BACKGROUNDS: dict[Literal["light", "dark"], str] = {
    "light": "rgb(252, 251, 249)",
    "dark": "rgb(21, 24, 26)",
}
UGLY = (
    "I love it! <img src=x onerror=\"document.title='broken'\"> **bold** :smile: $x$ "
    "=cmd()|' /C calc'!A0 😀 مرحبا"
)


def test_paste_predict_rate_reload_export(page: Page, server: str, tmp_path: Path) -> None:
    page.goto(server)
    predict(page, UGLY)
    assert page.title() != "broken"
    expect(page.get_by_role("meter")).to_have_count(3)

    thumb(page, "Thumbs down")
    page.get_by_role("radio", name="neutral").click()
    page.get_by_label("Comment (optional)").fill("=1+1 is not a mood")
    page.get_by_role("button", name="Save comment").click()
    settled(page)
    page.get_by_role("textbox", name="Your name (optional)").fill("Ada")
    page.get_by_role("textbox", name="Your name (optional)").press("Enter")
    # A page that looks settled may not have begun with the name yet.
    until(lambda: "Ada" in page.request.get(f"{server}/api/export/ratings.csv").text())
    settled(page)

    page.reload()
    expect(page.locator(".card-input")).to_have_text(UGLY)
    expect(page.get_by_role("radio", name="Thumbs down")).to_be_checked()
    expect(page.get_by_label("Comment (optional)")).to_have_value("=1+1 is not a mood")
    expect(page.get_by_role("textbox", name="Your name (optional)")).to_have_value("Ada")

    content, rows = exported(page, server)
    newest = rows[-1]
    assert newest["input"] == UGLY
    assert newest["verdict"] == "down"
    assert newest["correction"] == "neutral"
    assert newest["comment"] == "'=1+1 is not a mood"
    assert newest["reviewer"] == "Ada"

    # No model: a file is read and written without one.
    without = {"TRYOUT_MODEL__ID": "./nowhere"}
    with serving(tmp_path / "empty.db", port=free_port(), **without) as other:
        page.goto(f"{other}/feedback")
        with page.expect_response(lambda response: "upload_file" in response.url):
            page.locator('input[type="file"]').set_input_files(
                {"name": "feedback.csv", "mimeType": "text/csv", "buffer": content}
            )
        expect(page.get_by_role("button", name="Remove feedback.csv")).to_be_visible()
        page.get_by_role("button", name="Import CSV").click()
        expect(page.get_by_text("1 predictions and")).to_be_visible()
        assert exported(page, other)[0] == content, "export, import, export: the same file"


def test_a_click_and_a_double_click_store_one_prediction(page: Page, server: str) -> None:
    page.goto(server)
    page.get_by_label("Text", exact=True).fill("clicked twice")
    page.get_by_role("button", name="Predict").dblclick()
    expect(page.locator(".card-input")).to_have_text("clicked twice")
    settled(page)
    thumb(page, "Thumbs up")
    page.wait_for_timeout(700)  # until the thumb that was clicked takes clicks again
    page.get_by_role("radio", name="Thumbs down").dblclick(force=True)
    settled(page)
    expect(page.get_by_role("radio", name="Thumbs down")).to_be_checked()
    _, rows = exported(page, server, unrated=True)
    mine = [row for row in rows if row["input"] == "clicked twice"]
    assert len({row["prediction_id"] for row in mine}) == 1
    assert [row["verdict"] for row in mine] == ["up", "down"]
    assert {row["retracted"] for row in mine} == {"false"}, "the second click takes nothing back"


def test_another_visitor_sees_the_rating_and_adds_one(
    page: Page, server: str, browser_context_args: dict[str, object]
) -> None:
    page.goto(server)
    predict(page, "seen by two")
    thumb(page, "Thumbs up")
    assert page.context.browser is not None
    other: BrowserContext = page.context.browser.new_context()
    second = other.new_page()
    second.set_default_timeout(WAIT_MS)
    second.goto(page.url)
    expect(second.get_by_text(re.compile("anonymous-[0-9a-f]{6} rated it up"))).to_be_visible()
    thumb(second, "Thumbs down")
    other.close()
    _, rows = exported(page, server)
    said = {row["reviewer"]: row["verdict"] for row in rows if row["input"] == "seen by two"}
    assert sorted(said.values()) == ["down", "up"]


def test_a_killed_server_keeps_what_was_rated(page: Page, tmp_path: Path) -> None:
    port, database = free_port(), tmp_path / "log.db"
    with serving(database, port=port) as url:
        page.goto(url)
        predict(page, "before the crash")
        thumb(page, "Thumbs up")
        address = page.url
    with serving(database, port=port):
        page.goto(address)
        expect(page.locator(".card-input")).to_have_text("before the crash")
        expect(page.get_by_role("radio", name="Thumbs up")).to_be_checked()


def test_an_example_is_one_click(page: Page, server: str) -> None:
    page.goto(server)
    page.get_by_role("button", name="The meeting moved to Tuesday").click()
    expect(page.locator(".card-top")).to_contain_text("neutral")


def test_a_broken_model_shows_one_sentence_until_it_is_mended(page: Page, tmp_path: Path) -> None:
    folder, port = tmp_path / "model", free_port()
    with serving(tmp_path / "log.db", port=port, TRYOUT_MODEL__ID=str(folder)) as url:
        page.goto(url)
        expect(page.get_by_text("cannot be loaded. There is no such folder")).to_be_visible()
        expect(page.get_by_text("Traceback")).to_have_count(0)
        tiny.bert_classifier(folder)
        page.get_by_role("button", name="Try again").click()
        predict(page, "There it is.")


@pytest.mark.parametrize("path", ["", "/batch", "/review", "/feedback", "/compare", "/about"])
def test_no_page_is_wider_than_the_screen(page: Page, server: str, path: str) -> None:
    page.goto(server + path)
    if not path:
        predict(page, "wide" * 200)
    for width, (scheme, color) in product((390, 1280), BACKGROUNDS.items()):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 844})
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", color)
        expect(page.get_by_role("heading").first).to_be_visible()
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
