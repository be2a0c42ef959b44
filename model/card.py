"""A model card: its text, and the fields of its YAML head that a page or a task can use."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from model.info import Example

CARD = "README.md"
CARD_HEAD = re.compile(r"---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
MAX_HEAD_CHARS = 50_000


@dataclass(frozen=True, slots=True)
class Card:
    """The contents of a model card; a field that the card does not have is empty."""

    text: str
    title: str
    pipeline_tag: str
    examples: tuple[Example, ...]


def read_card(folder: Path) -> Card:
    """The model card of a folder, as far as it can be read; a model works without a card.

    Its head is YAML, see https://huggingface.co/docs/hub/model-cards.
    """
    try:
        text = (folder / CARD).read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        text = ""
    head: Any = None
    match = CARD_HEAD.match(text)
    if match and len(match[1]) <= MAX_HEAD_CHARS:
        # Besides its own errors, yaml raises ValueError for a date such as February 30.
        with suppress(yaml.YAMLError, ValueError, RecursionError):
            head = yaml.safe_load(match[1])
    head = head if isinstance(head, dict) else {}
    body = re.sub(r"^```.*?^```", "", text[match.end() :] if match else text, flags=re.M | re.S)
    heading = re.search(r"^# +([^<\[\n]{1,60})$", body, re.MULTILINE)
    widgets = head.get("widget") if isinstance(head.get("widget"), list) else []
    return Card(
        text=text,
        title=heading[1].strip() if heading else "",
        pipeline_tag=tag if isinstance(tag := head.get("pipeline_tag"), str) else "",
        examples=tuple(filter(None, map(_example, widgets or []))),
    )


def _example(widget: Any) -> Example | None:
    """The example in an entry of `widget`: a text or the last message of a chat, and its labels.

    None if it has no text.
    """
    if not isinstance(widget, dict):
        return None
    text, messages = widget.get("text"), widget.get("messages")
    if not text and isinstance(messages, list) and messages and isinstance(messages[-1], dict):
        text = messages[-1].get("content")
    if not isinstance(text, str) or not text.strip():
        return None
    params: dict[str, Any] = {}
    labels = widget.get("candidate_labels")
    if isinstance(labels, str):
        labels = labels.split(",")
    if isinstance(labels, list):
        # Other values of YAML are left out: writing a huge number as text can take for ever.
        texts = tuple(label.strip() for label in labels if isinstance(label, str) and label.strip())
        params |= {"candidate_labels": texts} if texts else {}
    multi_label = widget.get("multi_class", widget.get("multi_label"))
    if isinstance(multi_label, bool):
        params["multi_label"] = multi_label
    return Example(text, params)
