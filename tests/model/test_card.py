"""Model cards, written by strangers: what is read of them."""

from pathlib import Path

import pytest

from model import Example, Model
from model.card import Card, read_card
from tests.helpers import tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.bert_classifier(tmp_path / "model")


BOMB = "---\na0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
BOMB += "pipeline_tag: *a9\nwidget: [{text: *a9, candidate_labels: *a9}]\n---\n"


def card(folder: Path, text: str) -> Card:
    (folder / "README.md").write_text(text, encoding="utf-8")
    return read_card(folder)


def test_a_card_gives_title_tag_and_examples(tmp_path: Path) -> None:
    made = card(
        tmp_path,
        "---\npipeline_tag: zero-shot-classification\nwidget:\n"
        "- text: One\n- text: Two\n  candidate_labels: a, b\n  multi_class: true\n"
        "- messages:\n  - role: user\n    content: Three\n"
        "- text: Four\n  candidate_labels: []\n- src: picture.png\n- 7\n- text: ''\n---\n\n"
        "# The *Title*\n\nText.\n# Other\n",
    )
    assert (made.title, made.pipeline_tag) == ("The *Title*", "zero-shot-classification")
    assert made.examples == (
        Example("One"),
        Example("Two", {"candidate_labels": ("a", "b"), "multi_label": True}),
        Example("Three"),
        Example("Four"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no head",
        "---\n: : [\n---\n",
        "---\n- a list\n---\n",
        "---\nwidget: 7\n---\n",
        "---\nwidget:\n  text: x\n---\n",
        "# <img src=x>\n",
        f"# {'x' * 200}\n",
        "---\nwidget: [{messages: []}, {messages: [1]}]\n---\n",
        "---\ndate: 2024-02-30\n---\n",
        "---\na: " + "[" * 5000 + "\n---\n",
        "---\na: " + "x" * 60_000 + "\nwidget: [{text: late}]\n---\n",
        "Text\n```python\n# pip install\n```\n",
        BOMB,
    ],
)
def test_a_card_that_says_nothing_does_no_harm(tmp_path: Path, text: str) -> None:
    made = card(tmp_path, text)
    assert (made.title, made.examples) == ("", ())


def test_the_cards_examples_are_shown_as_far_as_they_fit(folder: Path) -> None:
    card(folder, "---\nwidget:\n- text: Mine\n  candidate_labels: a, b\n---\n# Mood\n")
    model = Model(str(folder))
    model.load()
    assert model.info.title == "Mood"
    assert model.info.examples == (Example("Mine"),)
    model.close()
