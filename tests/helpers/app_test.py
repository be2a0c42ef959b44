"""What a visitor does on a page, and what is read there, as steps that several tests take."""

from streamlit.testing.v1 import AppTest

from settings import ROOT

SCRIPT = ROOT / "ui" / "router.py"


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


def thumbs(page: AppTest, value: int | None) -> AppTest:
    page.feedback[0].set_value(value).run()
    assert not page.exception
    return page


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
