"""class Model: a transformers model that takes texts and returns predictions.

The folder `model/` is also a Truss model folder (https://docs.baseten.co): `Model()` with no
arguments, `load`, then `postprocess(predict(preprocess(request)))` for each request. Knows no
UI, web framework or database.
"""

import hashlib
import json
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError, ModelClosed, ModelError, ModelLoadError
from model.prediction import ModelInfo, Prediction, new_id, now
from model.runtimes import TorchRuntime
from model.tasks import TextClassification

logger = logging.getLogger("tryout")

T = TypeVar("T")
R = TypeVar("R")

HOME = Path(__file__).parent.parent
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
# Weights as safetensors only: a pickle can run code when it is read.
HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "README.md")
MAX_BATCH_TOKENS = 1024
LONE_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")


class Model:
    """A text classifier by folder or Hub id; one worker thread computes for all callers."""

    def __init__(
        self,
        model_id: str = "model/bundled",
        *,
        revision: str | None = None,
        task: str = "text-classification",
        runtime: str = "torch",
        device: str = "auto",
        dtype: str = "float32",
    ) -> None:
        """Notes what to load and loads nothing.

        `model_id` is a folder, looked up from the working directory and from the one that holds
        `model/`, or the id of a model on the Hugging Face Hub. `revision` is a Hub branch, tag or
        commit. Raises ModelLoadError for a task or runtime that is not supported.
        """
        if task != TextClassification.name:
            raise ModelLoadError(f"task is {task!r}; only {TextClassification.name!r} works yet.")
        if runtime != TorchRuntime.name:
            raise ModelLoadError(f"runtime is {runtime!r}; only {TorchRuntime.name!r} works yet.")
        self.model_id = model_id
        self._revision = revision
        self._device = device
        self._dtype = dtype
        self._info: ModelInfo | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    def load(self) -> None:
        """Reads tokenizer and weights; fetches them first if they are on the Hub.

        Raises ModelLoadError with one sentence that names the model and what is wrong with it.
        """
        try:
            self._load()
        except ModelLoadError as error:
            raise ModelLoadError(
                f"The model {self.model_id!r} cannot be loaded. {error}"
            ) from error
        except Exception as error:  # transformers raises nearly anything on a broken file
            raise ModelLoadError(
                f"The model {self.model_id!r} cannot be loaded: {_first_line(error)} "
                "Check its files, or name another model in app.toml."
            ) from error

    def _load(self) -> None:
        folder, revision = find_files(self.model_id, self._revision)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._task = TextClassification(config)

        from transformers import AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._runtime = TorchRuntime(folder, device=self._device, dtype=self._dtype)
        card = folder / "README.md"
        self._info = ModelInfo(
            id=self.model_id,
            revision=revision,
            task=self._task.name,
            labels=self._task.labels,
            parameters=self._runtime.parameters,
            memory_bytes=self._runtime.memory_bytes,
            max_tokens=min(self._tokenizer.model_max_length, self._runtime.max_positions),
            runtime=self._runtime.name,
            device=self._runtime.device,
            dtype=self._runtime.dtype,
            versions={
                "Python": platform.python_version(),
                "transformers": version("transformers"),
                "torch": version("torch"),
            },
            card=card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
        )

    @property
    def info(self) -> ModelInfo:
        """What is loaded; raises ModelClosed before `load`."""
        if self._info is None:
            raise ModelClosed(f"The model {self.model_id!r} is not loaded yet. Call load() first.")
        return self._info

    def preprocess(self, request: str | Sequence[str] | Mapping[str, Any]) -> list[str]:
        """The texts of a request: a text, a list of texts, or either under the key "inputs"."""
        inputs = request.get("inputs") if isinstance(request, Mapping) else request
        texts = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
            raise InputError('A request is a text, a list of texts, or {"inputs": either of them}.')
        return list(texts)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, in the order of `texts`.

        A text over the model's limit is cut there and its prediction says `truncated`. Raises
        ModelError if the forward pass fails, ModelClosed if the model is not to be used, InputError
        for a single text, whose letters would else be taken for texts.
        """
        if isinstance(texts, str):
            raise InputError("predict takes a list of texts; put the one text into a list.")
        return self._enqueue(self._run, list(texts)).result()

    def submit(self, text: str) -> Future[Prediction]:
        """A future of the prediction of one text; cancelled before its turn, it costs nothing."""
        return self._enqueue(self._run_one, text)

    def postprocess(self, predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
        """The predictions as values that JSON can hold."""
        return [
            {
                "label": prediction.label,
                "score": prediction.score,
                "scores": {item.label: item.score for item in prediction.output},
                "truncated": prediction.truncated,
                "model": {"id": prediction.model_id, "revision": prediction.model_revision},
            }
            for prediction in predictions
        ]

    def close(self) -> None:
        """Finishes what runs, cancels what waits, and refuses what comes."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _enqueue(self, run: Callable[[T, ModelInfo, float], R], work: T) -> Future[R]:
        info = self.info  # raises if not loaded
        try:
            return self._worker.submit(run, work, info, time.perf_counter())
        except RuntimeError as error:
            raise ModelClosed(f"The model {self.model_id!r} was closed.") from error

    def _run_one(self, text: str, info: ModelInfo, submitted_s: float) -> Prediction:
        return self._run([text], info, submitted_s)[0]

    def _run(self, texts: list[str], info: ModelInfo, submitted_s: float) -> list[Prediction]:
        """Runs on the worker thread: tokenizes, and predicts in batches of similar length."""
        queue_ms = (time.perf_counter() - submitted_s) * 1000
        predictions: dict[int, Prediction] = {}
        try:
            ids, truncated = self._tokenize(texts, info.max_tokens)
            for batch in batches([len(row) for row in ids], max_tokens=MAX_BATCH_TOKENS):
                started_s = time.perf_counter()
                logits = self._runtime.forward(
                    [ids[i] for i in batch], pad_id=self._tokenizer.pad_token_id or 0
                )
                inference_ms = (time.perf_counter() - started_s) * 1000
                for i, row in zip(batch, logits, strict=True):
                    predictions[i] = self._prediction(
                        texts[i], row, truncated[i], queue_ms, inference_ms
                    )
        except Exception as error:
            logger.exception("The model %s failed on %d texts", self.model_id, len(texts))
            raise ModelError(
                f"The model {self.model_id!r} failed on this input: {_first_line(error)} "
                "Try another text; the owner finds the details in the log."
            ) from error
        return [predictions[i] for i in range(len(texts))]

    def _tokenize(self, texts: list[str], max_tokens: int) -> tuple[list[list[int]], list[bool]]:
        """Token ids of each text, cut at `max_tokens`, and whether that cut anything off."""
        if not texts:
            return [], []
        readable = [text.translate(LONE_SURROGATES) for text in texts]
        ids = self._tokenizer(readable, truncation=True, max_length=max_tokens)["input_ids"]
        truncated = [
            len(row) == max_tokens
            and len(self._tokenizer(text, verbose=False)["input_ids"]) > max_tokens
            for text, row in zip(readable, ids, strict=True)
        ]
        return ids, truncated

    def _prediction(
        self,
        text: str,
        logits: NDArray[np.float32],
        truncated: bool,
        queue_ms: float,
        inference_ms: float,
    ) -> Prediction:
        return Prediction(
            id=new_id(),
            created_at=now(),
            task=self._task.name,
            model_id=self.model_id,
            model_revision=self.info.revision,
            params={},
            input=text,
            output=self._task.output(logits),
            truncated=truncated,
            queue_ms=queue_ms,
            inference_ms=inference_ms,
        )


def find_files(model_id: str, revision: str | None) -> tuple[Path, str]:
    """The folder of a model and the revision that pins its content.

    A Hub id gives the commit that `revision` names, a folder a hash of its files. Raises
    ModelLoadError if there is no such model, or the folder is not a whole one.
    """
    # Not needed here, but before transformers: huggingface_hub 2.4 prints errors otherwise.
    from huggingface_hub import snapshot_download  # noqa: F401

    for folder in (Path(model_id), HOME / model_id):
        if folder.is_dir():
            _check_folder(folder)
            return folder, _hash(folder)
    if model_id.startswith((".", "/", "~", "model/")):
        raise ModelLoadError("There is no such folder. Check model.id in app.toml.")
    folder = _download(model_id, revision)
    _check_folder(folder)
    return folder, folder.name


def _download(model_id: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(
            snapshot_download(
                model_id, revision=revision, allow_patterns=list(HUB_FILES), ignore_patterns="*/*"
            )
        )
    except HFValidationError as error:
        raise ModelLoadError("It is neither a folder nor a Hub id like 'owner/name'.") from error
    except GatedRepoError as error:
        raise ModelLoadError(
            "It is gated: accept its terms on the Hub and set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise ModelLoadError(f"The Hub has no revision {revision!r} of it.") from error
    except RepositoryNotFoundError as error:
        raise ModelLoadError(
            "The Hub has no such model, or it is private: check the id, or set HF_TOKEN."
        ) from error
    except LocalEntryNotFoundError as error:
        raise ModelLoadError(
            "There is no such folder, and the Hub cannot be reached to look for it. "
            "Check the name and the network."
        ) from error


def _check_folder(folder: Path) -> None:
    wanted = {
        "config.json": ("config.json",),
        "its weights (*.safetensors)": ("*.safetensors",),
        # transformers makes an empty tokenizer, silently, where there is none
        "its tokenizer (tokenizer.json)": TOKENIZER_FILES,
    }
    for what, patterns in wanted.items():
        if not any(next(folder.glob(pattern), None) for pattern in patterns):
            raise ModelLoadError(
                f"The folder lacks {what}. Save model and tokenizer there with save_pretrained."
            )


def _hash(folder: Path) -> str:
    """The first 12 hex digits of a SHA-256 over the names and contents of the model's files."""
    digest = hashlib.sha256()
    for path in sorted(p for pattern in HUB_FILES[:-1] for p in folder.glob(pattern)):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def batches(lengths: Sequence[int], *, max_tokens: int) -> list[list[int]]:
    """Indices grouped by length so that a padded batch has at most `max_tokens` tokens.

    A longer item gets a batch of its own. On a CPU padding costs as much as text, so batches of
    mixed lengths can be slower than no batches at all.
    """
    made: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if made and (len(made[-1]) + 1) * lengths[i] <= max_tokens:
            made[-1].append(i)
        else:
            made.append([i])
    return made


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0] or type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."
