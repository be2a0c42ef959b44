"""The pages work with whatever fulfils the Protocol of a predictor: here one without a model."""

import pytest

from feedback import FeedbackLog
from feedback.filters import Filter
from tests.helpers.app_test import html, open_page, predict, thumbs, words

pytestmark = pytest.mark.usefixtures("fake")


def test_a_text_is_predicted_rated_and_stored(log: FeedbackLog) -> None:
    page = thumbs(predict(open_page(), "a good day"), 1)
    assert "positive" in html(page)
    ((stored, rating),) = log.page(Filter(), offset=0, limit=9)
    assert (stored.prediction.model_id, stored.prediction.runtime) == ("tests/fake", "remote")
    assert rating is not None
    assert rating.verdict == "up"


def test_its_facts_are_shown(log: FeedbackLog) -> None:
    page = open_page("about")
    assert "tests/fake" in html(page)
    assert "negative, neutral, positive" in html(page)


def test_its_predictions_are_reviewed_by_label(log: FeedbackLog) -> None:
    predict(open_page(), "a bad day")
    page = open_page("review")
    assert "a bad day" in html(page)
    assert {"Right", "Wrong", "neutral", "positive"} <= {button.label for button in page.button}
    assert "negative" in html(page) + words(page)
