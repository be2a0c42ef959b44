"""A list of names and values as HTML, from text."""

from collections.abc import Mapping

from ui.text import as_html


def facts_html(facts: Mapping[str, str]) -> str:
    """The list; its class is in ui/style.css."""
    items = "".join(
        f'<dt class="name">{as_html(name)}</dt><dd class="value" dir="auto">{as_html(value)}</dd>'
        for name, value in facts.items()
    )
    return f'<dl class="facts">{items}</dl>'


def without_front_matter(card: str) -> str:
    """A model card without its YAML head and first heading, which the page has already."""
    if card.startswith("---\n"):
        card = card.split("\n---\n", 1)[-1]
    lines = card.strip().split("\n")
    return "\n".join(lines[1:] if lines[0].startswith("# ") else lines).strip()
