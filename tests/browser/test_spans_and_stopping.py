"""Spans in a text and their correction; a text that grows and is stopped."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.helpers import tiny
from tests.helpers.browser_steps import exported, settled, submit, thumb
from tests.helpers.server import free_port, serving

TEXT = "Ada Lovelace <b>was</b> born in London."
LONG = 4000


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("tagger")
    model = str(tiny.bert_tagger(folder / "model"))
    with serving(folder / "log.db", port=free_port(), TRYOUT_MODEL__ID=model) as url:
        yield url


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("writer")
    model = str(tiny.llama(folder / "model", max_tokens=2 * LONG + 500))
    parameters = json.dumps({"max_new_tokens": LONG})
    with serving(
        folder / "log.db",
        port=free_port(),
        TRYOUT_MODEL__ID=model,
        TRYOUT_PARAMETERS=parameters,
    ) as url:
        yield url


def test_spans_are_marked_rated_and_corrected(page: Page, tagger: str) -> None:
    page.goto(tagger)
    submit(page, TEXT)
    expect(page.locator(".card-spans")).to_be_visible()
    settled(page)
    _, rows = exported(page, tagger, unrated=True)
    spans = json.loads(rows[-1]["output"])["spans"]
    page.goto(f"{tagger}/?p={rows[-1]['prediction_id']}")
    marks = page.locator(".card-spans mark")
    expect(marks).to_have_text([TEXT[span["start"] : span["end"]] for span in spans])
    labels = page.locator(".card-spans .span-label")
    expect(labels).to_have_text([span["label"] for span in spans])
    assert page.locator(".card-spans > b:not(.span-label)").count() == 0, "markup is text"

    thumb(page, "Thumbs down")
    table = page.get_by_test_id("stDataFrame")
    table.wait_for()
    settled(page)
    table.dblclick(position={"x": 120, "y": 53})  # the words of the first row
    editor = page.locator("textarea.gdg-input")
    editor.fill("Lovelace")
    editor.press("Enter")
    settled(page)
    page.wait_for_timeout(300)
    settled(page)
    _, rows = exported(page, tagger)
    said = json.loads(rows[-1]["correction"])
    assert {"label": spans[0]["label"], "start": 4, "end": 12} in said
    assert len(said) == len(spans)


def test_nothing_found_is_said(page: Page, tmp_path: Path) -> None:
    """A tagger whose every tag is O."""
    folder = tiny.bert_tagger(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    names = {str(n): "O" for n in range(len(tiny.TAGS))}
    (folder / "config.json").write_text(json.dumps(config | {"id2label": names}))
    with serving(tmp_path / "log.db", port=free_port(), TRYOUT_MODEL__ID=str(folder)) as url:
        page.goto(url)
        submit(page, TEXT)
        expect(page.get_by_text("Nothing found")).to_be_visible()
        expect(page.locator(".card-spans")).to_have_text(TEXT)
        thumb(page, "Thumbs up")
        _, rows = exported(page, url)
        assert (rows[-1]["output"], rows[-1]["score"]) == ('{"spans":[]}', "")


def test_a_growing_text_is_stopped(page: Page, writer: str) -> None:
    page.goto(writer)
    submit(page, "Once upon a time")
    growing = page.locator(".card-text.growing")
    expect(growing).to_have_text(re.compile(r"\S"))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped after")).to_be_visible()
    expect(growing).to_have_count(0)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    thumb(page, "Thumbs down")
    page.get_by_label("What should it have been?").fill("there was a queen")
    page.get_by_role("button", name="Save correction").click()
    settled(page)
    _, rows = exported(page, writer)
    output = json.loads(rows[-1]["output"])
    assert output["finish"] == "stopped"
    assert 0 < output["tokens"] < LONG
    assert rows[-1]["correction"] == "there was a queen"

    page.goto(f"{writer}/?p={rows[-1]['prediction_id']}")
    settled(page)
    submit(page, "Once upon a time")  # what was stopped can be asked for again
    expect(growing).to_have_text(re.compile(r"\S"))
    expect(page.locator(".card-foot")).to_have_count(0)
    expect(page.get_by_role("radio", name="Thumbs up")).to_have_count(0)  # a click would be lost
    expect(page.get_by_label("What should it have been?")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped after")).to_be_visible()


def test_a_text_grows_on_over_a_visit_to_another_page(page: Page, writer: str) -> None:
    page.goto(writer)
    submit(page, "Before")
    expect(page.locator(".card-text.growing")).to_have_text(re.compile(r"\S"))
    page.get_by_role("link", name="About").click()
    expect(page.get_by_role("heading", name="Limits")).to_be_visible()
    page.get_by_role("link", name="Try").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("Before")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".card-input")).to_have_text("Before")
    expect(page.get_by_text("Stopped after")).to_be_visible()


def test_a_text_is_left_for_another(page: Page, writer: str) -> None:
    page.goto(writer)
    submit(page, "Once upon a time")
    expect(page.locator(".card-text.growing")).to_have_text(re.compile(r"\S"))
    submit(page, "Another beginning")
    expect(page.locator(".card-input")).to_have_text("Another beginning")
    expect(page.locator(".card-text.growing")).to_have_text(re.compile(r"\S"))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped after")).to_be_visible()
    settled(page)
    _, rows = exported(page, writer, unrated=True)
    assert rows[-1]["input"] == "Another beginning"
