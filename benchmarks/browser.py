"""From the click on a button to the changed page, in a real Chromium, one visitor.

Run as a process of its own: python -m benchmarks.browser KIND URL CLICKS
"""

import json
import statistics
import sys

from playwright.sync_api import Page, sync_playwright

from benchmarks.from_tests import chromium

WARM_UP = 5
# Clear cases in turns, so that with each click another label is on top.
TEXTS = (
    ("The screen is gorgeous and I love it, number", "positive"),
    ("This is the worst and I hate it, number", "negative"),
)
# How each app shows its button, its field and the label on top.
PARTS = {
    "tryout": ("button", "textarea", ".card-top span"),
    "plain": ("button", "textarea", "[data-testid=stMain] [data-testid=stMarkdown] p"),
    "gradio": ("button.primary", "textarea", "[data-testid=label-output-value]"),
}
# Milliseconds from a click to the frame after the one in which the label has changed.
CLICK = """
([button, top, expected]) => new Promise(resolve => {
  const there = () => document.querySelector(top)?.textContent.trim() === expected;
  let started;
  const done = () => requestAnimationFrame(() => requestAnimationFrame(
    () => resolve(performance.now() - started)));
  new MutationObserver((_, observer) => {
    if (there()) { observer.disconnect(); done(); }
  }).observe(document.body, {childList: true, subtree: true, characterData: true});
  const buttons = [...document.querySelectorAll(button)];
  const chosen = buttons.find(it => ["Predict", "Submit"].includes(it.textContent.trim()));
  started = performance.now();
  chosen.click();
})
"""


def main(kind: str, url: str, clicks: int) -> dict[str, float]:
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        page = browser.new_page()
        page.goto(url)
        page.locator(PARTS[kind][1]).first.wait_for(timeout=60_000)
        times_ms = [click_ms(page, kind, number) for number in range(WARM_UP + clicks)][WARM_UP:]
        browser.close()
    return {
        "median_ms": statistics.median(times_ms),
        "p95_ms": statistics.quantiles(times_ms, n=20)[-1],
    }


def click_ms(page: Page, kind: str, number: int) -> float:
    button, field, top = PARTS[kind]
    text, label = TEXTS[number % 2]
    page.locator(field).first.fill(f"{text} {number}")
    page.wait_for_timeout(200)  # a visitor does not click in the moment of the last key
    return float(page.evaluate(CLICK, [button, top, label]))


if __name__ == "__main__":
    kind, url, clicks = sys.argv[1:]
    print(json.dumps(main(kind, url, int(clicks))))
