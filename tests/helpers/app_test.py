"""What a visitor does on a page, and what is read there, as steps that several tests take."""

from collections.abc import Iterable
from typing import Any, TypeVar

from streamlit.testing.v1 import AppTest

from feedback import Entry
from settings import ROOT

SCRIPT = ROOT / "ui" / "router.py"
COMMENT = "Comment (optional)"
CORRECTION = "What should it have been?"
CORRECTION_LABELS = "Which labels should it have been?"

T = TypeVar("T")


def open_page(name: str = "", **query: str) -> AppTest:
    """A new session on the Try page, or on another one of pages/."""
    page = AppTest.from_file(SCRIPT, default_timeout=60)
    if name:
        page.switch_page(f"../pages/{name}.py")  # which takes the query away
    for key, value in query.items():
        page.query_params[key] = value
    page.run()
    assert not page.exception
    return page


def click(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if plain(button.label) == label).click().run()
    assert not page.exception
    return page


def predict(page: AppTest, text: str) -> AppTest:
    page.text_area(key="text").set_value(text)
    return click(page, "Predict")


def thumbs(page: AppTest, value: int | None, of: Entry | None = None) -> AppTest:
    """Clicks the thumb of a prediction, which needs naming if the page has several."""
    clicked = page.feedback(key=f"thumbs-{of.prediction.id}") if of else only(page.feedback)
    clicked.set_value(value).run()
    assert not page.exception
    return page


def only(elements: Iterable[T]) -> T:
    """The one element of its kind that the page has."""
    (element,) = elements
    return element


def widget(page: AppTest, label: str) -> Any:
    """The widget with this label, which the page may have once."""
    kinds = (
        page.checkbox,
        page.file_uploader,
        page.multiselect,
        page.pills,
        page.segmented_control,
        page.selectbox,
        page.text_area,
        page.text_input,
    )
    return only([each for kind in kinds for each in kind if plain(each.label) == label])


def html(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def buttons(page: AppTest) -> list[str]:
    """Their labels."""
    return [plain(button.label) for button in page.button]


def words(page: AppTest) -> str:
    """All that is said in sentences."""
    shown = [*page.markdown, *page.caption, *page.info, *page.warning, *page.error]
    return "\n".join(plain(str(element.value)) for element in shown)


def plain(markdown: str) -> str:
    """Text without what keeps it from being markup."""
    return markdown.replace("\\", "").replace("\N{WORD JOINER}", "")
