"""The About page as sessions run it, with the real model."""

from feedback import FeedbackLog
from tests.helpers.app_test import html, open_page


def test_the_about_page_names_the_model(log: FeedbackLog) -> None:
    page = open_page("about")
    shown = html(page)
    for fact in (
        "model/bundled",
        "negative, neutral, positive",
        "22.7 million",
        "float32",
        "torch",
    ):
        assert fact in shown
    words = " ".join(block.value for block in page.markdown)
    assert "10,000 characters" in words
    assert "takes 512 tokens" in words
    assert "cookie" in words
