"""The keys that modules share are where the style sheet and the widgets look for them."""

import re

from settings import ROOT
from ui.state import BatchState, Styled


def test_the_style_sheet_names_the_keys_of_styled_containers() -> None:
    css = (ROOT / "ui" / "style.css").read_text(encoding="utf-8")
    keys = {value for name, value in vars(Styled).items() if name.isupper()}
    assert set(re.findall(r"st-key-([a-z-]+)", css)) == keys


def test_an_empty_form_of_a_batch_has_new_widgets() -> None:
    page = BatchState()
    before = page.form_key("file")
    page.clear_form()
    assert page.form_key("file") != before
