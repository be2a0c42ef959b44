"""Every task on the pages: predicted, rated, corrected, logged, exported and shown again."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from feedback import FeedbackLog, export_csv
from model.prediction import GeneratedText, Prediction, ScoredLabels, Spans
from tests.helpers import tiny
from tests.helpers.app_test import (
    COMMENT,
    CORRECTION,
    CORRECTION_LABELS,
    html,
    only,
    open_page,
    plain,
    predict,
    thumbs,
    widget,
)
from tests.helpers.entries import entry, newest, rating
from ui import shared

TEXT = "Ada Lovelace was born in London."


@pytest.fixture(autouse=True)
def clean(database: Path) -> Iterator[None]:
    """Each test loads a model of its own."""
    st.cache_resource.clear()
    yield
    shared.loader().close()
    st.cache_resource.clear()


def use(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The Try page of a tiny model, which one variable names."""
    monkeypatch.setenv("TRYOUT_MODEL__ID", str(tiny.MAKERS[name](tmp_path / "model")))
    monkeypatch.setenv("TRYOUT_MODEL__DEVICE", "cpu")
    return open_page()


def predicted() -> Prediction:
    """The newest prediction."""
    return newest(shared.log())[0].prediction


def correction() -> str:
    _, said = newest(shared.log())
    assert said is not None
    return said.correction


def chosen() -> list[str]:
    """The labels that the newest prediction says apply."""
    output = predicted().output
    assert isinstance(output, ScoredLabels)
    return list(output.chosen)


def not_chosen() -> list[str]:
    """The labels that the newest prediction says do not apply."""
    output = predicted().output
    assert isinstance(output, ScoredLabels)
    return sorted({item.label for item in output.items} - set(chosen()))


def exported() -> dict[str, str]:
    content = b"".join(export_csv(shared.log(), unrated=False)).decode("utf-8-sig")
    *_, last = csv.DictReader(io.StringIO(content, newline=""))
    return last


def shown_again() -> AppTest:
    """The Feedback page works, and the prediction opens from its link."""
    page = open_page("feedback")
    assert not page.error
    entry, _ = newest(shared.log())
    again = open_page(p=str(entry.prediction.id))
    assert again.text_area(key="text").value == entry.prediction.input
    return again


def test_text_classification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = thumbs(predict(use("RoBERTa", tmp_path, monkeypatch), TEXT), 0)
    widget(page, CORRECTION).set_value(widget(page, CORRECTION).options[0]).run()
    assert correction() == exported()["correction"] == widget(page, CORRECTION).options[0]
    shown_again()


def test_several_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = thumbs(predict(use("multi-label", tmp_path, monkeypatch), TEXT), 0)
    assert widget(page, CORRECTION_LABELS).options == ["negative", "neutral", "positive"]
    assert widget(page, CORRECTION_LABELS).value == chosen()
    assert correction() == "", "nothing was said yet"
    others = not_chosen()
    widget(page, CORRECTION_LABELS).set_value(others).run()
    assert json.loads(exported()["correction"]) == others
    again = shown_again()
    assert f"rated it down, said {', '.join(others) or 'no label'}" in only(again.text).value
    widget(page, CORRECTION_LABELS).set_value(others[:1]).run()
    widget(page, CORRECTION_LABELS).set_value([]).run()
    assert correction() == "[]", "that none applies is an answer"


def test_a_model_with_many_labels_has_a_list_to_choose_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"label {n:02}" for n in range(40)]
    folder = tiny.bert_classifier(tmp_path / "model", **tiny._labels(many))
    monkeypatch.setenv("TRYOUT_MODEL__ID", str(folder))
    page = thumbs(predict(open_page(), TEXT), 0)
    assert "28 more labels" in html(page)
    box = widget(page, CORRECTION)
    assert len(box.options) == 39
    box.set_value("label 07").run()
    assert correction() == "label 07"


def test_zero_shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = use("NLI", tmp_path, monkeypatch)
    page.text_area(key="param-candidate_labels").set_value(" science\n  sport, war \n\nscience")
    page.checkbox(key="param-multi_label").set_value(True)
    predict(page, TEXT)
    prediction = predicted()
    assert isinstance(prediction.output, ScoredLabels)
    assert prediction.params["candidate_labels"] == ["science", "sport, war"]
    assert {item.label for item in prediction.output.items} == {"science", "sport, war"}
    thumbs(page, 0)
    widget(page, CORRECTION_LABELS).set_value(not_chosen()).run()
    assert json.loads(correction()) == not_chosen()
    again = shown_again()
    assert again.text_area(key="param-candidate_labels").value == "science\nsport, war"
    assert again.checkbox(key="param-multi_label").value is True


@pytest.mark.parametrize(
    ("labels", "hint"),
    [
        (" \n ", "Labels to choose from: 0 given"),
        ("\n".join(map(str, range(101))), "101 given"),
        ("word " * 60, "fills the 48 tokens"),
        ("x" * 501, "one has 501 characters; each may have 500"),
    ],
)
def test_labels_that_do_not_work_get_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str, hint: str
) -> None:
    page = use("NLI", tmp_path, monkeypatch)
    page.text_area(key="param-candidate_labels").set_value(labels)
    predict(page, TEXT)
    assert hint in plain(only(page.info).value)
    assert shared.log().counts().predictions == 0


def test_token_classification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = predict(use("BERT tagger", tmp_path, monkeypatch), TEXT)
    prediction = predicted()
    assert isinstance(prediction.output, Spans)
    assert '<mark class="span' in html(page)
    thumbs(page, 0)
    assert not page.exception
    assert json.loads(exported()["output"])["spans"][0]["start"] == prediction.output.items[0].start
    shown_again()


def test_fill_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = use("BERT MLM", tmp_path, monkeypatch)
    assert "[MASK]" in page.button(key="example-0").label.replace("\\", "")
    page.number_input(key="param-top_k").set_value(3)
    predict(page, "The capital of [MASK] is Paris.")
    prediction = predicted()
    assert isinstance(prediction.output, ScoredLabels)
    assert len(prediction.output.items) == 3
    thumbs(page, 0)
    widget(page, CORRECTION).set_value(" France ").run()
    assert correction() == "France"
    assert "said France" in only(shown_again().text).value
    thumbs(page, 1)
    assert correction() == "", "what is right needs none"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("no gap", "has [MASK] 0 times. Write [MASK] exactly once"),
        ("[MASK] [MASK]", "has [MASK] 2 times"),
        ("long " * 60 + "[MASK]", "reads its first 48 tokens, and [MASK] comes after"),
    ],
)
def test_a_text_without_one_gap_gets_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, hint: str
) -> None:
    page = predict(use("BERT MLM", tmp_path, monkeypatch), text)
    assert hint in plain(only(page.info).value)


def test_text_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = use("GPT-2", tmp_path, monkeypatch)
    page.number_input(key="param-max_new_tokens").set_value(9)
    predict(page, "Once upon a time")
    prediction = predicted()
    assert isinstance(prediction.output, GeneratedText)
    assert (prediction.output.tokens, prediction.score) == (9, None)
    assert "<b>Ended</b> after 9 tokens" in html(page)
    assert [b.label for b in page.button if b.label == "Stop"] == [], "there is nothing to stop"
    thumbs(page, 0)
    area = widget(page, CORRECTION)
    assert correction() == ""
    area.set_value("there was a king.\nThe end.").run()
    assert correction() == "there was a king.\nThe end."
    assert exported()["score"] == ""
    shown_again()


def test_the_same_prompt_is_written_anew_only_if_it_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = use("GPT-2", tmp_path, monkeypatch)
    predict(predict(page, "Once"), "Once")
    assert shared.log().counts().predictions == 1
    page.number_input(key="param-temperature").set_value(1.5)
    predict(predict(page, "Once"), "Once")
    assert shared.log().counts().predictions == 3


# --- what the owner sets --------------------------------------------------------------------------


def test_labels_are_shown_as_the_owner_says_and_stored_as_the_model_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"negative": "sad", "neutral": "so-so", "positive": "glad"}
    monkeypatch.setenv("TRYOUT_MODEL__LABELS", json.dumps(names))
    page = thumbs(predict(use("BERT", tmp_path, monkeypatch), TEXT), 0)
    label = predicted().label
    assert label in names
    assert names[label] in html(page)
    assert f">{label}<" not in html(page)
    widget(page, CORRECTION).set_value(next(one for one in names if one != label)).run()
    assert correction() in names
    table = only(open_page("feedback").dataframe).value
    assert table["output"][0] == names[label]
    assert table["correction"][0] == names[correction()]
    assert f"{label} (shown as {names[label]})" in html(open_page("about"))


def test_title_intro_examples_and_defaults_are_the_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_TITLE", "My *gaps*")
    monkeypatch.setenv("TRYOUT_INTRO", "Fill them.")
    monkeypatch.setenv("TRYOUT_EXAMPLES", '["One [MASK]."]')
    monkeypatch.setenv("TRYOUT_PARAMETERS", '{"top_k": 2}')
    page = use("BERT MLM", tmp_path, monkeypatch)
    assert only(page.title).value == "My \\*gaps\\*"
    assert "Fill them." in [text.value for text in page.markdown]
    page.button(key="example-0").click().run()
    prediction = predicted()
    assert isinstance(prediction.output, ScoredLabels)
    assert prediction.input == "One [MASK]."
    assert len(prediction.output.items) == 2


def test_an_example_brings_its_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = use("NLI", tmp_path, monkeypatch)
    shared.loader().close()
    (tmp_path / "model" / "README.md").write_text(
        "---\nwidget:\n- text: A goal!\n  candidate_labels: sport, war\n---\n# Topics\n"
    )
    st.cache_resource.clear()
    page = open_page()
    assert only(page.title).value == "Topics"
    page.button(key="example-0").click().run()
    assert page.text_area(key="param-candidate_labels").value == "sport\nwar"
    assert predicted().params["candidate_labels"] == ["sport", "war"]


def test_a_wrong_default_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYOUT_PARAMETERS", '{"top_k": 0}')
    page = use("BERT MLM", tmp_path, monkeypatch)
    (error,) = page.error
    assert "top_k is 0; it must be a whole number from 1 to 50" in error.value.replace("\\", "")


def test_the_options_are_kept_over_a_visit_to_another_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = use("BERT MLM", tmp_path, monkeypatch)
    page.number_input(key="param-top_k").set_value(2)
    predict(page, "One [MASK].")
    page.switch_page("../pages/about.py").run()
    page.switch_page("../pages/try.py").run()
    assert page.number_input(key="param-top_k").value == 2


def test_the_log_of_one_task_is_shown_with_the_model_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(use("BERT tagger", tmp_path, monkeypatch), TEXT)
    tagged, _ = newest(shared.log())
    shared.loader().close()
    st.cache_resource.clear()
    (tmp_path / "other").mkdir()
    use("GPT-2", tmp_path / "other", monkeypatch)
    page = thumbs(open_page(p=str(tagged.prediction.id)), 0)
    assert '<mark class="span' in html(page)
    log: FeedbackLog = shared.log()
    assert log.counts().down == 1


def test_labels_that_the_owner_calls_alike_stay_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"negative": "bad", "neutral": "bad", "positive": "good"}
    monkeypatch.setenv("TRYOUT_MODEL__LABELS", json.dumps(names))
    page = thumbs(predict(use("multi-label", tmp_path, monkeypatch), TEXT), 0)
    assert widget(page, CORRECTION_LABELS).options == ["bad", "bad (2)", "good"]
    other = "neutral" if widget(page, CORRECTION_LABELS).value == ["negative"] else "negative"
    widget(page, CORRECTION_LABELS).set_value([other]).run()
    assert json.loads(correction()) == [other]


def test_the_names_of_this_models_labels_are_not_given_to_those_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__LABELS", '{"positive": "glad"}')
    use("BERT", tmp_path, monkeypatch)
    of_another = entry("from before")
    shared.log().record(of_another)
    page = open_page(p=str(of_another.prediction.id))
    assert "positive" in html(page)
    assert "glad" not in html(page)
    assert only(open_page("feedback").dataframe).value["output"][0] == "positive"


def test_a_name_for_a_label_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__LABELS", '{"nope": "sad"}')
    use("BERT", tmp_path, monkeypatch)
    assert "names nope, which is no label" in only(open_page("about").warning).value


def test_a_list_of_the_owners_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_PARAMETERS", '{"candidate_labels": ["red", "blue"]}')
    page = use("NLI", tmp_path, monkeypatch)
    assert page.text_area(key="param-candidate_labels").value == "red\nblue"
    predict(page, TEXT)
    assert predicted().params["candidate_labels"] == ["red", "blue"]


@pytest.mark.parametrize(
    "params",
    [{"max_new_tokens": 4000, "temperature": 0.5}, {"max_new_tokens": "many", "other": [1]}],
)
def test_parameters_of_another_model_are_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params: dict[str, object]
) -> None:
    use("GPT-2", tmp_path, monkeypatch)
    old = entry("from before", params=params, output=GeneratedText("x", 1, "end"))
    shared.log().record(old)
    page = open_page(p=str(old.prediction.id))
    assert page.number_input(key="param-max_new_tokens").value == 24
    assert page.number_input(key="param-temperature").value == params.get("temperature", 0.0)


def test_a_number_out_of_bounds_gets_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = use("BERT MLM", tmp_path, monkeypatch)
    page.number_input(key="param-top_k").set_value(99)
    predict(page, "One [MASK].")
    assert "top_k is 99; it must be a whole number from 1 to 50" in plain(only(page.info).value)


def test_a_correction_that_is_too_long_is_told_and_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = thumbs(predict(use("GPT-2", tmp_path, monkeypatch), "Once"), 0)
    widget(page, CORRECTION).set_value("x" * 20_001).run()
    assert "20,001 characters, and at most 20,000" in only(page.error).value
    assert correction() == ""
    widget(page, CORRECTION).set_value("x" * 20_000).run()
    assert not page.error
    assert len(correction()) == 20_000


def test_a_correction_from_a_file_breaks_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = thumbs(predict(use("BERT tagger", tmp_path, monkeypatch), TEXT), 0)
    said = rating(newest(shared.log())[0], "Eve", "down", correction="[" * 100_000)
    shared.log().rate(said)
    mine = rating(
        newest(shared.log())[0], verdict="down", correction='[{"label": 1, "start": "a", "end": 2}]'
    )
    shared.log().rate(mine)
    assert not open_page("feedback").exception
    again = open_page(p=str(predicted().id))
    again.text_input(key="name").set_value("Ada").run()
    assert not again.exception
    assert not page.exception


def test_a_comment_stays_in_sight_of_who_wrote_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = thumbs(predict(use("BERT", tmp_path, monkeypatch), TEXT), 0)
    widget(page, COMMENT).set_value("rubbish").run()
    thumbs(page, 1)
    assert widget(page, COMMENT).value == "rubbish"
    widget(page, COMMENT).set_value("").run()
    _, mine = newest(shared.log())
    assert mine is not None
    assert (mine.verdict, mine.comment) == ("up", "")
