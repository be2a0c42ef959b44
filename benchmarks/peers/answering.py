"""The model of the servers: transformers' pipeline, or Tryout's own with OURS=1; labels and scores.

Runs in the servers' environment, in which Tryout's server and pages are not installed.
"""

import os
from collections.abc import Callable
from typing import Any

Answer = list[dict[str, Any]]


def answering() -> Callable[[list[str]], list[Answer]]:
    """A function from texts to the labels and scores of each, computed together."""
    folder = os.environ["PEER_MODEL"]
    if os.environ.get("OURS"):
        from model import Model

        model = Model(folder)
        model.load()

        def ours(texts: list[str]) -> list[Answer]:
            outputs: list[Any] = [made.output for made in model.predict(texts)]
            return [
                [{"label": each.label, "score": each.score} for each in output.items]
                for output in outputs
            ]

        return ours
    from transformers import pipeline

    classify: Any = pipeline("text-classification", model=folder)

    def theirs(texts: list[str]) -> list[Answer]:
        answers: list[Answer] = classify(texts, top_k=None, truncation=True, batch_size=len(texts))
        return answers

    return theirs
