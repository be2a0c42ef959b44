"""Every question of the Feedback page in a real Chromium: from the click until its answer is drawn.

Run as a process of its own: python -m benchmarks.charts URL
"""

import json
import statistics
import sys

from playwright.sync_api import sync_playwright

from tests.helpers.chromium import CHROMIUM, CHROMIUM_ARGUMENTS

ROUNDS = 4
OPENING_MS = 60_000
QUESTIONS = '[data-variant="pills"]'
# Milliseconds from a click to the frame after the one in which the script is over and every chart
# has its marks.
CLICK = """
([selector, question]) => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`no answer to ${question}`)), 30000);
  const app = document.querySelector('[data-testid="stApp"]');
  const every = [...document.querySelectorAll(selector)];
  const started = performance.now();
  let hasRun = false;  // a run can be over before the next frame
  const noted = {attributes: true, attributeFilter: ["data-test-script-state"]};
  new MutationObserver(() => { hasRun = true; }).observe(app, noted);
  const look = () => {
    const running = app.dataset.testScriptState !== "notRunning";
    const charts = [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')];
    const drawn = charts.every(chart => chart.querySelector(".marks"));
    if (hasRun && !running && drawn && !document.querySelector('[data-stale="true"]')) {
      requestAnimationFrame(() => resolve(performance.now() - started));
    } else {
      requestAnimationFrame(look);
    }
  };
  every.find(one => one.textContent.trim() === question).click();
  look();
})
"""


def main(url: str) -> dict[str, float]:
    """Median milliseconds by question."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page()
        page.goto(f"{url}/feedback")
        page.get_by_test_id("stVegaLiteChart").first.wait_for(timeout=OPENING_MS)
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        first, *others = page.locator(QUESTIONS).all_inner_texts()
        times_ms: dict[str, list[float]] = {question: [] for question in (first, *others)}
        for _ in range(ROUNDS):
            for question in (*others, first):  # each click changes the question
                page.wait_for_timeout(300)
                times_ms[question].append(float(page.evaluate(CLICK, [QUESTIONS, question])))
        browser.close()
    return {question: statistics.median(found) for question, found in times_ms.items()}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
