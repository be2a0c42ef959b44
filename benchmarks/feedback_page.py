"""The Feedback page over a large log: over the protocol, and each answer drawn in Chromium.

Run as a process of its own: python -m benchmarks.feedback_page URL
"""

import json
import statistics
import sys
from functools import partial

from playwright.sync_api import sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg

from benchmarks.from_tests import chromium
from benchmarks.running import outcome
from benchmarks.visitor import Visitor

PAGE = "Feedback page, ms"
PAGES = 10
ROUNDS = 4
OPENING_MS = 60_000
QUESTIONS = '[data-variant="pills"]'
# Milliseconds from a click to the frame after the one in which the script is over and every chart
# has its marks.
CLICK = """
([selector, question]) => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`no answer to ${question}`)), 30000);
  const app = document.querySelector('[data-testid="stApp"]');
  const pills = [...document.querySelectorAll(selector)];
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
  pills.find(pill => pill.textContent.trim() === question).click();
  look();
})
"""


def main(url: str) -> None:
    """Prints median milliseconds, of the page and of each question, so far after each step."""
    measured: dict[str, float | str] = {PAGE: outcome(partial(page_ms, url))}
    print(json.dumps(measured), flush=True)
    for question, ms in drawn_ms(url).items():
        measured[f"“{question}” drawn in Chromium, ms"] = ms
    print(json.dumps(measured), flush=True)


def page_ms(url: str) -> float:
    """The page over the WebSocket, from the second time on: the first imports pandas."""
    with Visitor(url) as visitor:
        visitor.predict("The model is loaded while this waits.")
        times_ms = []
        for _ in range(PAGES):
            message = BackMsg()
            message.rerun_script.page_name = "feedback"
            times_ms.append(visitor.run(message)[1])
    return statistics.median(times_ms[1:])


def drawn_ms(url: str) -> dict[str, float | str]:
    """Each question: from the click on it until its answer is drawn, or why it was not."""
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        page = browser.new_page()
        page.goto(f"{url}/feedback")
        page.get_by_test_id("stVegaLiteChart").first.wait_for(timeout=OPENING_MS)
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        first, *others = page.locator(QUESTIONS).all_inner_texts()
        times_ms: dict[str, list[float]] = {question: [] for question in (first, *others)}
        failed: dict[str, str] = {}
        for _ in range(ROUNDS):
            for question in (*others, first):  # each click changes the question
                if question not in failed:
                    page.wait_for_timeout(300)
                    took_ms = outcome(partial(page.evaluate, CLICK, [QUESTIONS, question]))
                    if isinstance(took_ms, str):
                        failed[question] = took_ms
                    else:
                        times_ms[question].append(took_ms)
        browser.close()
    return {q: failed.get(q) or statistics.median(took) for q, took in times_ms.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
