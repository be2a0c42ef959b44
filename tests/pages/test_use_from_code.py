"""Use from code on the pages Try and About: requests for what is on the page."""

import json

import pytest

from feedback import FeedbackLog
from serving.access import new_key
from tests.helpers.app_test import only, open_page, predict, widget, words
from ui import shared

pytestmark = pytest.mark.parametrize("loaded_once", ["local", "remote"], indirect=True)

TEXT = 'It\'s "fine" <b>and</b> :smile: $(rm)'


def test_the_code_on_try_is_made_when_it_is_opened(log: FeedbackLog) -> None:
    page = open_page()
    assert not page.expander, "without a prediction there is nothing to ask for"
    page.context["url"] = "https://models.example/team/"
    predict(page, TEXT)
    assert only(page.expander).label == "Use from code"
    assert not page.code
    page.session_state["use-from-code"] = True
    page.run()
    assert not page.exception
    curl, python = page.code
    assert (curl.language, python.language) == ("bash", "python")
    assert curl.value.startswith("curl https://models.example/team/api/predictions ")
    assert json.dumps(TEXT).replace("'", "\\u0027") in curl.value
    assert 'url = "https://models.example/team/api/predictions"' in python.value
    assert "KEY" not in curl.value + python.value + words(page)


def test_it_follows_the_format_and_the_next_prediction(log: FeedbackLog) -> None:
    page = predict(open_page(), "first")
    page.session_state["use-from-code"] = True
    page.run()
    widget(page, "Format").set_value("Open Inference v2").run()
    assert "Triton" in words(page)
    assert "/v2/models/bundled/infer" in page.code[0].value
    predict(page, "second")
    assert "/v2/models/bundled/infer" in page.code[0].value
    assert '"second"' in page.code[0].value
    assert "first" not in page.code[0].value


def test_about_has_the_code_of_an_example_with_the_key_that_it_needs(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, entry = new_key("a program", ["predict"])
    monkeypatch.setenv("TRYOUT_API_KEYS", json.dumps([entry]))
    monkeypatch.setenv("TRYOUT_MODEL__NAME", "mood")
    monkeypatch.setenv("TRYOUT_EXAMPLES", '["What a day."]')
    shared.settings.clear()
    page = open_page("about")
    page.context["url"] = "http://localhost:8501/about"
    widget(page, "Format").set_value("Vertex AI, TF Serving, KServe v1").run()
    assert not page.exception
    curl, python = page.code
    assert curl.value.startswith("curl http://localhost:8501/v1/models/mood:predict ")
    assert '"What a day."' in curl.value
    assert '-H "Authorization: Bearer $TRYOUT_KEY"' in curl.value
    assert 'os.environ["TRYOUT_KEY"]' in python.value
    assert "Ask the owner of this app" in words(page)
    assert entry["sha256"] not in curl.value + python.value
    assert "OpenAI" not in widget(page, "Format").options
