"""A visitor who thinks between clicks, alone and beside a batch of many rows.

Run as a process of its own: python -m benchmarks.batch URL ROWS CLICKS
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

from benchmarks.from_tests import chromium
from benchmarks.texts import texts
from benchmarks.visitor import Visitor

WARM_UP = 10
THINKS_S = 0.5
LONGEST_MS = 600_000


def main(url: str, rows: int, clicks: int) -> dict[str, float]:
    """Median milliseconds of the visitor's clicks, and the rows a second of the batch."""
    inputs = texts(600)
    with tempfile.TemporaryDirectory() as folder, Visitor(url) as visitor:
        click_ms(visitor, inputs[:WARM_UP])  # the first are slower
        alone_ms = click_ms(visitor, inputs[:clicks])
        file = Path(folder, "rows.csv")
        with file.open("w", newline="", encoding="utf-8") as opened:
            numbered = [[number, inputs[number % len(inputs)]] for number in range(rows)]
            csv.writer(opened).writerows([["id", "text"], *numbered])
        with sync_playwright() as playwright:
            browser = chromium(playwright)
            page = browser.new_page()
            page.set_default_timeout(LONGEST_MS)
            start(page, url, file)
            started_s = time.perf_counter()
            beside_ms = click_ms(visitor, inputs[:clicks])
            page.get_by_role("button", name="Stop").wait_for()  # the clicks were beside it
            expect(page.get_by_text("Download results").first).to_be_visible(timeout=LONGEST_MS)
            took_s = time.perf_counter() - started_s
            browser.close()
    return {
        "rows": rows,
        "alone_ms": alone_ms,
        "beside_ms": beside_ms,
        "rows_per_s": rows / took_s,
    }


def start(page: Page, url: str, file: Path) -> None:
    page.goto(f"{url}/batch")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name=re.compile("^Predict")).click()
    expect(page.get_by_text(" a second")).to_be_visible(timeout=LONGEST_MS)


def click_ms(visitor: Visitor, inputs: list[str]) -> float:
    """The median from a click on Predict to the card."""
    times_ms = []
    for text in inputs:
        time.sleep(THINKS_S)
        times_ms.append(visitor.predict(f"{time.time_ns()} {text}")[0])
    return statistics.median(times_ms)


if __name__ == "__main__":
    url, rows, clicks = sys.argv[1:]
    print(json.dumps(main(url, int(rows), int(clicks))))
