"""The helpers of the tests that benchmarks use, imported here and nowhere else in benchmarks."""

from playwright.sync_api import Browser, Playwright

from tests.helpers.chromium import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.helpers.fake_job import write as write_rows
from tests.helpers.server import free_port

__all__ = ["chromium", "free_port", "write_rows"]


def chromium(playwright: Playwright) -> Browser:
    """The Chromium of the system, without a window; ends the process where there is none."""
    if CHROMIUM is None:
        raise SystemExit("no Chromium is installed")
    return playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
