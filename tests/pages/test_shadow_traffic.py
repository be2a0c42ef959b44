"""The Compare page's part about the texts that a challenger predicted for programs, too."""

import pytest

from feedback import FeedbackLog
from feedback.shadowed import shadow_entry
from tests.helpers.app_test import only, open_page, words
from tests.helpers.entries import entry, labels
from ui import shared

pytestmark = pytest.mark.usefixtures("fake")

OTHER = {"model_id": "owner/next", "model_revision": "9"}


def test_the_share_of_same_answers_and_the_texts_that_differ(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_SHADOW__ID", "owner/next")
    shared.settings.clear()
    page = open_page("compare")
    part = page.segmented_control(key="part")
    part.set_value("traffic").run()
    assert "has predicted no text of a program yet" in words(page)
    for n in range(10):
        answered = entry(f"text {n}")
        changes = {"output": labels(("negative", 0.9), ("positive", 0.1))} if n == 3 else {}
        other = entry(f"text {n}", **OTHER, **changes).prediction
        log.add([answered, shadow_entry(other, answered.prediction.id)], [])
    page.run()
    assert "owner/next" in words(page)
    assert "the same as what was answered to 9 of the newest 10 texts: 90" in words(page)
    frame = only(page.dataframe).value
    assert frame["input"].tolist() == ["text 3"]
    assert (frame["answered"][0], frame["other"][0]) != ("", "")


def test_without_a_shadow_there_is_no_such_part(log: FeedbackLog) -> None:
    assert "traffic" not in str(open_page("compare").segmented_control(key="part").options)
