"""What the About page tells: names and values as HTML, the model card, which models work."""

import re
from collections.abc import Mapping

from settings import ROOT
from ui.text import as_html


def facts_html(facts: Mapping[str, str]) -> str:
    """The list; its class is in ui/style.css."""
    items = "".join(
        f'<dt class="name">{as_html(name)}</dt><dd class="value" dir="auto">{as_html(value)}</dd>'
        for name, value in facts.items()
    )
    return f'<dl class="facts">{items}</dl>'


def supported() -> str:
    """Which models work, as markdown; the guide in docs/ says it, and README."""
    return (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


def without_front_matter(card: str) -> str:
    """A model card without its YAML head and title, its headings below those of a page."""
    if card.startswith("---\n"):
        card = card.split("\n---\n", 1)[-1]
    lines = card.strip().split("\n")
    body = "\n".join(lines[1:] if lines[0].startswith("# ") else lines).strip()
    return re.sub(r"^(#{1,4} )", r"##\1", body, flags=re.MULTILINE)
