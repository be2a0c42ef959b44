"""The models that are measured: the bundled one, and two of usual sizes with random weights.

The large ones have the architecture and the tokenizer of the bundled model, so that all read the
same tokens and nothing is downloaded. Their speed is that of trained models, their labels mean
nothing.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from benchmarks.offline import BUNDLED
from model.sources import HOME

TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
LABELS = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to measure, and the number of short and of long texts that it predicts a round.

    Without `layers` it is the bundled model; else a BERT of that many layers of `width` numbers,
    with a head of attention for each 64.
    """

    name: str
    short: int
    long: int
    layers: int = 0
    width: int = 0

    @property
    def is_trained(self) -> bool:
        return not self.layers

    def saved(self, folder: Path, *, device: str) -> str:
        """The model's folder, in which it is written if it is made from a config; its id."""
        if self.is_trained:
            return BUNDLED
        target = folder / f"bert-{self.layers}-{self.width}"
        config = transformers.BertConfig(
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.width // 64,
            intermediate_size=4 * self.width,
            id2label=dict(enumerate(LABELS)),
            label2id={label: i for i, label in enumerate(LABELS)},
        )
        torch.manual_seed(7)
        with torch.device(device):
            made = transformers.AutoModelForSequenceClassification.from_config(config)
        made.to("cpu").save_pretrained(target)
        for name in TOKENIZER:
            shutil.copy(HOME / BUNDLED / name, target / name)
        return str(target)


CANDIDATES = (
    Candidate("bundled", short=2400, long=480),
    Candidate("BERT-base", short=1200, long=240, layers=12, width=768),
    Candidate("BERT-large", short=1200, long=160, layers=24, width=1024),
)
QUICK = (
    Candidate("bundled", short=60, long=6),
    Candidate("BERT, 2 layers", short=60, long=6, layers=2, width=128),
)
