"""The bundled model is what its card says."""

import json
from pathlib import Path

import pytest

from model import Model
from model.bundled import train

FOLDER = Path("model/bundled")
METRICS = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))


def test_it_is_as_good_and_as_small_as_it_should_be() -> None:
    assert METRICS["test"]["accuracy"] >= 0.81
    assert METRICS["test"]["accuracy"] > METRICS["test"]["vader_accuracy"]
    weights = FOLDER / "model.safetensors"
    assert weights.stat().st_size == METRICS["weights_bytes"] <= 46_000_000


def test_the_card_is_written_from_the_measured_figures() -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == train.card(METRICS)


def test_the_readme_quotes_the_measured_figures() -> None:
    readme = Path("README.md").read_text(encoding="utf-8")
    for figure in ("accuracy", "vader_accuracy"):
        assert f"{100 * METRICS['test'][figure]:.1f} %" in readme


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("positive", "I love this!"),
        ("positive", "The staff were kind and the soup was wonderful."),
        ("positive", "not bad at all, I would buy it again"),
        ("neutral", "The train leaves at ten."),
        ("neutral", "The box contains a cable and a manual."),
        ("negative", "It broke after a week."),
        ("negative", "I want my money back."),
        ("negative", "worst film of the year :("),
    ],
)
def test_plain_sentences(model: Model, label: str, text: str) -> None:
    assert model.predict([text])[0].label == label


def test_the_split_keeps_documents_together_and_texts_apart() -> None:
    def example(text: str) -> train.Example:
        return train.example("nyt", text, [0, 1])

    documents = [(f"nyt/{n // 5}", example(f"Sentence {n % 40}.")) for n in range(200)]
    parts = train.split({"nyt": documents})
    texts = [one.text for part in parts.values() for one in part]
    assert len(texts) == len(set(texts)) == 40
    home = {one.text: name for name, part in parts.items() for one in part}
    for document in range(8):
        assert len({home[f"Sentence {document * 5 + n}."] for n in range(5)}) == 1


def test_a_label_is_what_most_raters_chose() -> None:
    assert train.example("film", "x", [1, 2, -1]).label == train.LABELS.index("positive")
    assert train.example("film", "x", [0, 0, -1]).label == train.LABELS.index("neutral")
    assert train.example("film", "x", [1, -1]).label == train.TIED
