"""The Compare page as a session runs it: real models, a real log."""

import csv
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from streamlit.testing.v1 import AppTest

from feedback import Entry, FeedbackLog, LogUnavailable
from feedback.filters import Filter
from feedback.preferences import preferences_csv
from settings import ROOT
from tests.helpers import tiny
from tests.helpers.app_test import buttons, click, html, only, open_page, words
from tests.helpers.entries import entry, rating
from ui import shared

pytestmark = pytest.mark.parametrize("loaded_once", ["local", "remote"], indirect=True)

WAIT_S = 60
TEXTS = ("I love this film.", "What a wonderful day!", "I hate this, it is terrible.")


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    shared.loader().close()


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    yield
    replay = shared.challenger().replay
    if replay:
        replay.stop()
        replay.join()
    shared.challenger().unload()
    shared.challenger.clear()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the bundled model that says positive for negative and the other way round."""
    folder = tmp_path_factory.mktemp("models") / "damaged"
    shutil.copytree(ROOT / "model" / "bundled", folder)
    weights = dict(load_file(folder / "model.safetensors"))
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = np.ascontiguousarray(weights[name][[2, 1, 0]])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def load(page: AppTest, model_id: str, revision: str = "") -> AppTest:
    page.text_input(key="challenger-id").set_value(model_id)
    page.text_input(key="challenger-revision").set_value(revision)
    return click(page, "Load")


def rate_all(log: FeedbackLog) -> None:
    """Predictions of the live model, rated up; a last one is wrong, and nobody says what is right.

    And one on which reviewers are divided.
    """
    open_page("compare")  # the model is loaded
    for prediction in shared.loading().result(WAIT_S).predict(list(TEXTS)):
        stored = Entry(prediction=prediction, source="page", session_id="s")
        log.add([stored], [rating(stored)])
    divided = entry("who knows")
    log.add([divided], [rating(divided, "Ada"), rating(divided, "Bob", "down")])


def replayed(page: AppTest) -> dict[str, str]:
    """The numbers of a replay, which is started and waited for."""
    click(page, "Start the replay")
    replay = shared.challenger().replay
    assert replay
    replay.join()
    page.run()
    assert not page.exception
    return {metric.label: metric.value for metric in page.metric}


def test_nothing_is_rated_and_nothing_loaded(log: FeedbackLog) -> None:
    page = open_page("compare")
    assert "Nothing is rated yet" in words(page)
    assert page.get("page_link")
    page.segmented_control(key="part").set_value("pair").run()
    assert "Load another model above" in words(page)
    assert "Name a model" in words(click(page, "Load"))
    log.record(stored := entry("x"))
    log.rate(rating(stored))
    page = open_page("compare")
    assert "Load another model above" in words(page)
    assert "Start the replay" not in buttons(page)


def test_the_live_model_against_itself(log: FeedbackLog) -> None:
    rate_all(log)
    page = load(open_page("compare"), "model/bundled")
    assert "model/bundled" in words(page)
    assert "it is the live model" in words(page)
    numbers = replayed(page)
    assert numbers == {"Fixed": "0", "Broken": "0", "Still right": "3", "Still wrong": "0"}
    assert "Nothing was fixed and nothing broken" in words(page)
    assert "Left out, as reviewers are divided: 1." in words(page)
    page.segmented_control(key="part").set_value("pair").run()
    assert "Both are the same revision" in words(page)


def test_a_damaged_model_lists_what_it_broke_first(
    log: FeedbackLog,
    damaged: Path,
) -> None:
    rate_all(log)
    page = load(open_page("compare"), str(damaged))
    numbers = replayed(page)
    assert (numbers["Broken"], numbers["Fixed"]) == ("3", "0")
    assert "p = 0.25" in words(page)
    assert "is too few to tell" in words(page)
    by_label, texts = (frame.value for frame in page.dataframe)
    assert dict(zip(by_label["Label"], by_label["Broken"], strict=True)) == {
        "positive": 2,
        "negative": 1,
    }
    assert set(texts["outcome"]) == {"broken"}
    assert set(texts["input"]) == set(TEXTS)
    row = texts[texts["input"] == TEXTS[0]].iloc[0]
    assert (row["old"], row["truth"], row["new"]) == ("positive", "positive", "negative")
    assert row["open"].startswith("/?p=")

    click(page, "Unload")
    assert shared.challenger().model is None
    assert "Load another model above" in words(page)
    assert page.metric, "the result stays"


def test_a_replay_can_be_stopped_and_keeps_others_away(
    log: FeedbackLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("model.bulk.UNDER_WAY", 1)
    rate_all(log)
    more = [entry(f"text {number}") for number in range(300)]
    log.add(more, [rating(one) for one in more])
    page = load(open_page("compare"), "model/bundled")
    click(page, "Start the replay")
    visitor = open_page("compare")
    assert "Stop" in buttons(visitor), "whoever comes sees it"
    assert next(b for b in visitor.button if b.label == "Unload").disabled
    load(visitor, "model/bundled")
    assert "A replay runs" in words(visitor)
    click(visitor, "Stop")
    replay = shared.challenger().replay
    assert replay
    replay.join()
    assert 0 <= replay.done < 304
    page.run()
    assert "it was stopped" in words(page)
    assert "Start the replay" in buttons(page)


@pytest.mark.parametrize(
    ("model_id", "revision", "message"),
    [
        ("./nowhere", "", "There is no such folder. Check its name."),
        ("model/bundled", "v2", "has no revision 'v2'. Leave the revision out."),
        ("<b>*x*</b>", "", "neither a folder nor a Hub id"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(
    log: FeedbackLog,
    model_id: str,
    revision: str,
    message: str,
) -> None:
    page = load(open_page("compare"), model_id, revision)
    (error,) = page.error
    assert message in words(page)
    page.run()
    assert only(page.error).value == error.value, "and it is not tried again by itself"
    assert load(page, "model/bundled").error == []


def test_a_model_that_does_not_fit_beside_the_live_one(
    log: FeedbackLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_page("compare")
    monkeypatch.setattr("model.machine.free_memory_bytes", lambda: 50_000_000)
    page = load(open_page("compare"), "model/bundled")
    beside = "" if "TRYOUT_MODEL__URL" in os.environ else " beside the model that is loaded"
    assert f"50.0 MB is free{beside}. " in words(page)
    assert shared.loading().result().predict(["still here"])


def test_a_model_for_another_task(log: FeedbackLog, tmp_path: Path) -> None:
    page = load(open_page("compare"), str(tiny.bert_tagger(tmp_path / "tagger")))
    assert len(page.error) == 1


def test_other_labels_are_told(log: FeedbackLog, tmp_path: Path) -> None:
    rate_all(log)
    page = load(open_page("compare"), str(tiny.one_label_classifier(tmp_path / "other")))
    assert replayed(page)["Broken"] == "3"
    assert "cannot be compared" in words(page)


# --- side by side ---------------------------------------------------------------------------------


def side_by_side(damaged: Path, text: str = "I love this film.") -> AppTest:
    page = load(open_page("compare"), str(damaged))
    page.segmented_control(key="part").set_value("pair").run()
    page.text_area(key="pair-text").set_value(text)
    return click(page, "Predict with both")


def stored(log: FeedbackLog) -> list[dict[str, str]]:
    text = b"".join(preferences_csv(log)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_two_models_on_one_text(log: FeedbackLog, damaged: Path) -> None:
    page = side_by_side(damaged)
    assert html(page).count('class="card"') == 2
    assert 'class="card-foot"' not in html(page), "nobody knows which is which"
    kept = [row.prediction for row, _ in log.page(Filter(), offset=0, limit=9)]
    assert {p.model_id for p in kept} == {"model/bundled", str(damaged)}
    assert {e.source for e, _ in log.page(Filter(), offset=0, limit=9)} == {"compare"}

    click(page, "First is better")
    (choice,) = stored(log)
    assert choice["better"] == "first"
    assert html(page).count('class="card-foot"') == 2
    first = choice["first_model_id"]
    assert f"You found the first better. The first was **{first}, revision" in words(page)
    numbers = {metric.label: metric.value for metric in page.metric}
    won = first == str(damaged)
    assert numbers == {
        "The other model is better": str(int(won)),
        "The live model is better": str(int(not won)),
        "No difference": "0",
    }
    assert "p = 1" in words(page)
    assert all(b.disabled for b in page.button if "better" in b.label)


def test_a_second_click_changes_nothing(log: FeedbackLog, damaged: Path) -> None:
    page = side_by_side(damaged)
    both = [b for b in page.button if b.label in ("First is better", "Second is better")]
    for button in both:  # before the page has answered
        button.click()
    page.run().run()
    (choice,) = stored(log)
    assert f"You found the {choice['better']} better" in words(page)


def test_the_order_is_random(log: FeedbackLog, damaged: Path) -> None:
    page = side_by_side(damaged, "text 0")
    firsts = set()
    for number in range(1, 20):
        firsts.add(st_pair(page).first.prediction.model_id)
        page.text_area(key="pair-text").set_value(f"text {number}")
        click(page, "Predict with both")
    assert firsts == {"model/bundled", str(damaged)}


def st_pair(page: AppTest):  # type: ignore[no-untyped-def]
    return page.session_state["CompareState"].pair


def test_models_that_say_the_same_say_so(log: FeedbackLog, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "model" / "bundled", copy)
    weights = dict(load_file(copy / "model.safetensors"))
    weights["classifier.bias"] = weights["classifier.bias"] + np.float32(0.001)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    page = side_by_side(copy)
    assert "Both say the same." in words(page)
    click(page, "No difference")
    assert [choice["better"] for choice in stored(log)] == ["neither"]


def test_a_blank_text_is_refused(log: FeedbackLog, damaged: Path) -> None:
    page = side_by_side(damaged, "  ")
    assert "There is no text to predict" in words(page)
    assert log.counts().predictions == 0


def test_a_log_that_is_away_loses_no_choice(
    log: FeedbackLog,
    damaged: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = side_by_side(damaged)

    def away(*args: object) -> None:
        raise LogUnavailable("The log is away.")

    with monkeypatch.context() as broken:
        broken.setattr("ui.outbox.record_preference", away)
        click(page, "Second is better")
        assert "Not stored yet" in words(page)
        assert stored(log) == []
    click(page, "Send again")
    assert [choice["better"] for choice in stored(log)] == ["second"]


def test_an_owner_can_take_the_page_away(
    log: FeedbackLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRYOUT_COMPARE__ENABLED", "false")
    shared.settings.clear()
    page = open_page("compare")
    assert "Compare" not in [title.value for title in page.title]
