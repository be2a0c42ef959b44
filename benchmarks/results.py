"""Figures by part, saved as they come, so that whatever happens next loses none of them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.running import NotMeasured


class Results:
    """The figures of each part that was measured on one kind of machine, in a JSON file."""

    def __init__(self, file: Path) -> None:
        """Reads what earlier runs saved in `file`, if it is there."""
        self._file = file
        self.parts: dict[str, dict[str, Any]] = {}
        if file.is_file():
            self.parts = json.loads(file.read_text(encoding="utf-8"))

    def drop(self, parts: Iterable[str]) -> None:
        """Forgets parts that are measured anew."""
        for part in parts:
            self.parts.pop(part, None)
        self._save()

    def begin(self, part: str, **facts: str) -> None:
        """A part without figures; `facts` say of which commit, machine and day they will be."""
        self.parts[part] = {**facts, "is_done": False, "figures": {}}
        self._save()

    def add(self, part: str, key: str, value: Any) -> None:
        """A figure, a reason, or figures by name, which join those that the key has."""
        figures = self.parts[part]["figures"]
        known = figures.get(key)
        both = isinstance(known, dict) and isinstance(value, dict)
        figures[key] = known | value if both else value
        self._save()

    def end(self, part: str) -> None:
        self.parts[part]["is_done"] = True
        self._save()

    def missing(self, parts: Sequence[str]) -> list[str]:
        """Those among `parts` that were not measured to their end."""
        return [part for part in parts if not self.parts.get(part, {}).get("is_done")]

    def figures(self, part: str) -> dict[str, Any]:
        """The figures of a part; empty if there are none."""
        figures: dict[str, Any] = self.parts.get(part, {}).get("figures", {})
        return figures

    def number(self, part: str, *path: str) -> float:
        """A figure by its keys; raises NotMeasured where there is none, or a sentence instead."""
        figure: Any = self.figures(part)
        for key in path:
            if not isinstance(figure, dict) or key not in figure:
                raise NotMeasured("not measured")
            figure = figure[key]
        if not isinstance(figure, int | float):
            raise NotMeasured("not measured")
        return figure

    def _save(self) -> None:
        """Replaces the file at once: an interrupted write must not lose the last one."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self.parts, indent=1), encoding="utf-8")
        new.replace(self._file)
