"""The parts of the About page: facts as HTML, the models that work here, the model card."""

import re
from collections.abc import Mapping
from pathlib import Path

import model
from model import Param
from model.card import CARD_HEAD
from ui.parts.text import as_html

NOT_TOLD = "not told by its server"


def facts_html(facts: Mapping[str, str]) -> str:
    """Names and their values as a list; its class is in ui/style.css.

    An empty value is one that the server of a model elsewhere does not tell.
    """
    items = "".join(
        f'<dt class="name">{as_html(name)}</dt>'
        f'<dd class="value" dir="auto">{as_html(value or NOT_TOLD)}</dd>'
        for name, value in facts.items()
    )
    return f'<dl class="facts">{items}</dl>'


def default_in_words(param: Param) -> str:
    """A parameter's name with its default."""
    value = param.default
    return f"{param.name}: {', '.join(value) if isinstance(value, tuple | list) else value}"


def supported() -> str:
    """The kinds of models that work here, as markdown."""
    return (Path(model.__file__).parent / "supported.md").read_text(encoding="utf-8")


def without_front_matter(card: str) -> str:
    """A model card without its YAML head and title, its headings below those of a page."""
    head = CARD_HEAD.match(card)
    card = card[head.end() if head else 0 :].strip()
    card = re.sub(r"\A# .*", "", card).strip()
    code_or_prose = re.split(r"(^```.*?^```)", card, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        part if part.startswith("```") else re.sub(r"^(#{1,4} )", r"##\1", part, flags=re.MULTILINE)
        for part in code_or_prose
    )
