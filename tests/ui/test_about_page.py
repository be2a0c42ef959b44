"""The facts of the About page, and the models that it names."""

from model.tasks import TASKS
from settings import ROOT
from ui.about_page import facts_html, supported, without_front_matter


def test_facts_are_escaped() -> None:
    assert "&lt;b&gt;" in facts_html({"a": "<b>"})


def test_front_matter_and_title_of_a_card_are_left_out() -> None:
    card_text = "---\nlicense: mit\n---\n\n# Name\n\nWhat it is.\n\n## Use\n#tag\n"
    assert without_front_matter(card_text) == "What it is.\n\n#### Use\n#tag"
    assert without_front_matter("Just text") == "Just text"


def test_the_page_names_every_task_and_the_readme_links_to_the_same_table() -> None:
    assert all(f"| {task} |" in supported() for task in TASKS)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "[model/supported.md](model/supported.md)" in readme
