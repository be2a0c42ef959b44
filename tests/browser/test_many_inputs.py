"""From a file of many texts to what the ratings teach, with one pair of hands and a keyboard."""

import csv
import io
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from settings import ROOT
from tests.helpers.browser_steps import settled
from tests.helpers.server import free_port, serving

TEXTS = (ROOT / "model" / "export" / "texts.txt").read_text(encoding="utf-8").splitlines()


def table(folder: Path, rows: int) -> Path:
    """A CSV file of real texts, some of them several times."""
    path = folder / f"{rows} reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "review", "stars"])
        writer.writerows([n, TEXTS[n % len(TEXTS)], n % 5] for n in range(rows))
    return path


def metric(page: Page, name: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has_text=name).get_by_test_id("stMetricValue")


def begin(page: Page, file: Path) -> None:
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("CSV, UTF-8, separated by commas")).to_be_visible()
    button = page.get_by_role("button", name=re.compile("^Predict"))
    settled(page)
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box
    for _ in range(2):  # as a hand does, which makes one batch
        page.mouse.click(box["x"] + 9, box["y"] + 9)
        page.wait_for_timeout(150)


def results(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download results").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_batches_then_review_by_keyboard_then_insights(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path / "log.db", port=free_port()) as url:
        page.goto(f"{url}/batch")
        begin(page, table(tmp_path, 20_000))
        expect(page.get_by_text(re.compile(r"[\d,]+ of 20,000 · .* a second"))).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        stopped = page.get_by_text(re.compile(r"^Stopped: [\d,]+ of 20,000 rows are predicted"))
        expect(stopped).to_be_visible()
        some = len([row for row in results(page) if row["predicted_label"]])
        assert 0 < some < 20_000
        address = page.url

        page.get_by_role("button", name="New batch").click()
        begin(page, table(tmp_path, 2_000))
        expect(page.get_by_role("button", name="Download results")).to_be_visible()
        rows = results(page)
        assert [row["id"] for row in rows] == [str(n) for n in range(2_000)]
        assert list(rows[0])[:4] == ["id", "review", "stars", "row"]
        assert {row["predicted_label"] for row in rows} == {"negative", "neutral", "positive"}
        page.goto(address)
        expect(stopped).to_be_visible()

        page.get_by_role("link", name="Feedback").click()
        expect(metric(page, "Predictions")).to_have_text(f"{2_000 + some:,}")
        expect(page.get_by_text("No ratings yet")).to_be_visible()

        page.get_by_role("link", name="Review").click()
        for number, key in enumerate(("y", "n", "y", "1", "3"), start=1):
            expect(page.locator(".card-top")).to_be_visible()
            settled(page)
            page.wait_for_timeout(300)  # faster presses are those of a key that is held down
            taken = page.get_by_role("button", name=re.compile(rf"^(Right|Wrong|\w+) {key}$", re.I))
            page.keyboard.press(key if taken.count() else "y")  # the number of what was predicted
            expect(page.get_by_text(f"{number} rated in this visit")).to_be_visible()
        settled(page)
        page.keyboard.press("z")
        expect(page.get_by_text("4 rated in this visit")).to_be_visible()
        settled(page)
        page.keyboard.press("y")
        expect(page.get_by_text("5 rated in this visit")).to_be_visible()

        page.get_by_role("link", name="Feedback").click()
        expect(metric(page, "Rated")).to_have_text("5")
        expect(page.get_by_text("When it says a label, how often is it right?")).to_be_visible()
        expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
