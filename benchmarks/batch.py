"""A visitor who thinks between clicks, alone and beside a batch of 20,000 rows.

Run as a process of its own: python -m benchmarks.batch URL
"""

import csv
import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.texts import texts
from benchmarks.visitor import Visitor
from tests.helpers.chromium import CHROMIUM, CHROMIUM_ARGUMENTS

ROWS = 20_000
CLICKS = 40
THINKS_S = 0.5
LONGEST_MS = 600_000


def main(url: str) -> dict[str, float]:
    """Milliseconds and rows a second by name."""
    every = texts(600)
    with tempfile.TemporaryDirectory() as folder, Visitor(url) as visitor:
        click_ms(visitor, every)  # the first are slower
        idle_ms = click_ms(visitor, every)
        file = Path(folder, "rows.csv")
        with file.open("w", newline="", encoding="utf-8") as opened:
            rows = [[number, every[number % len(every)]] for number in range(ROWS)]
            csv.writer(opened).writerows([["id", "text"], *rows])
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
            page = browser.new_page()
            page.set_default_timeout(LONGEST_MS)
            start(page, url, file)
            started_s = time.perf_counter()
            beside_ms = click_ms(visitor, every)
            page.get_by_role("button", name="Stop").wait_for()  # the clicks were beside it
            expect(page.get_by_text("Download results").first).to_be_visible(timeout=LONGEST_MS)
            took_s = time.perf_counter() - started_s
            browser.close()
    return {
        "alone, ms": idle_ms,
        f"beside a batch of {ROWS:,}, ms": beside_ms,
        "rows/s of that batch": ROWS / took_s,
    }


def start(page: Page, url: str, file: Path) -> None:
    page.goto(f"{url}/batch")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name=re.compile("^Predict")).click()
    expect(page.get_by_text(" a second")).to_be_visible(timeout=LONGEST_MS)


def click_ms(visitor: Visitor, every: list[str]) -> float:
    """The median from a click on Predict to the card."""
    times_ms = []
    for number in range(CLICKS):
        time.sleep(THINKS_S)
        times_ms.append(visitor.predict(f"{time.time_ns()} {every[number]}")[0])
    return statistics.median(times_ms)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
