"""Loading a model: from a folder or Hub id to a task, a tokenizer and a runtime in memory.

A model that cannot work is refused early: one of the wrong kind before its weights are fetched,
one that does not fit into memory before they are fetched or read.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.card import Card, read_card
from model.errors import ModelLoadError
from model.exported import Exported
from model.machine import free_bytes, free_memory_bytes, is_out_of_memory, pick_device
from model.memory import check_memory, needed_bytes
from model.params import checked
from model.predictor import Inspection
from model.preprocess import Preprocess, find_source
from model.runtimes import RUNTIMES, OnnxRuntime, Runtime, TorchRuntime
from model.runtimes.torch import DTYPES
from model.runtimes.trial import Trial, compare
from model.sources import ONNX, Listing, ModelSource, fetch, find, revision_of
from model.tasks import TASKS, Task, TextGeneration, task_for
from model.tokenizer import Tokenizer, TransformersTokenizer

logger = logging.getLogger(f"tryout.{__name__}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The model to load and the way to load it; see the arguments of `class Model`.

    Raises ModelLoadError for a task, runtime or dtype that does not exist.
    """

    source: ModelSource
    task: str
    runtime: str
    device: str
    dtype: str
    params: Mapping[str, Any]
    preprocess: str = ""  # a function, like "preprocess:clean"
    is_second: bool = False  # beside another model in this process

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("task", self.task, ("auto", *TASKS)),
            ("runtime", self.runtime, RUNTIMES),
            ("dtype", self.dtype, ("auto", *DTYPES)),
        ):
            if value not in allowed:
                raise ModelLoadError(f"{name} is {value!r}; it must be {' or '.join(allowed)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model in memory.

    `params` are the owner's, checked. `revision` names the weights and, if there is one, the
    function of `preprocess`. `dtype_reason` is the result of the trial or the export that
    the dtype comes from, "" if it was chosen by name. `packages` are those that compute.
    """

    folder: Path
    task: Task
    tokenizer: Tokenizer
    runtime: Runtime
    params: Mapping[str, Any]
    revision: str
    card: Card
    dtype_reason: str
    packages: tuple[str, ...]
    preprocess: Preprocess | None = None


def inspect(choice: Choice) -> Inspection:
    """The revision that `load` would read now, and the memory that it needs; fetches no weights.

    Of a model on the Hub the sizes are those that the Hub lists. Raises ModelLoadError.
    """
    listing = find(choice.source)
    with _installed(choice.runtime):
        if choice.runtime == OnnxRuntime.name:
            dtype, free = Exported.read(listing.folder).dtype, free_memory_bytes()
        else:
            device = pick_device(choice.device)
            dtype = _first_dtype(device) if choice.dtype == "auto" else choice.dtype
            free = free_bytes(device)
    revision = revision_of(choice.source, listing)
    if choice.preprocess:
        revision = find_source(choice.preprocess).revision(revision)
    return Inspection(
        revision=revision,
        needed_bytes=needed_bytes(listing, dtype=dtype),
        free_bytes=free,
    )


def load(choice: Choice, *, preprocess: Preprocess | None = None) -> Loaded:
    """Reads tokenizer and weights; fetches them first if they are on the Hub.

    `preprocess` is the function that `choice` names, if it is loaded already. Raises
    ModelLoadError, or InputError for a parameter of the owner's, with the remedy.
    """
    if choice.preprocess and preprocess is None:
        preprocess = Preprocess(find_source(choice.preprocess))
    loaded = _load_model(choice)
    if preprocess is None:
        return loaded
    revision = preprocess.source.revision(loaded.revision)
    return dataclasses.replace(loaded, preprocess=preprocess, revision=revision)


def _load_model(choice: Choice) -> Loaded:
    listing = find(choice.source)
    card = read_card(listing.folder)
    kind = task_for(choice.task, listing.config, card.pipeline_tag)
    with _installed(choice.runtime):
        if choice.runtime == OnnxRuntime.name:
            return _load_export(choice, listing, card, kind)
        return _load_torch(choice, listing, card, kind)


def _load_torch(choice: Choice, listing: Listing, card: Card, kind: type[Task]) -> Loaded:
    # Before transformers is imported: huggingface_hub 2.4 prints errors otherwise.
    import huggingface_hub  # noqa: F401

    config, trusted = listing.config, choice.source.trust_remote_code
    _check_code(config, trusted)
    with _reading("tokenizer"):
        tokenizer = TransformersTokenizer(listing.folder, trust_remote_code=trusted)
    _make(choice, config, kind, tokenizer)  # raises its errors before any weights are fetched
    device = pick_device(choice.device)
    dtype = _first_dtype(device) if choice.dtype == "auto" else choice.dtype
    check = functools.partial(check_memory, listing, dtype=dtype, is_second=choice.is_second)
    check(free_bytes=free_bytes(device))
    revision = fetch(choice.source, listing)
    check(free_bytes=free_bytes(device))
    trial = None
    with _reading("weights"):
        read = functools.partial(
            TorchRuntime,
            listing.folder,
            auto_model=kind.auto_model,
            device=device,
            allow_pickle=choice.source.allow_pickle,
            trust_remote_code=trusted,
        )
        runtime = read(dtype=dtype)
        if choice.dtype == "auto" and device == "cpu":
            task, _ = _make(choice, config, kind, tokenizer)
            needed = needed_bytes(listing, dtype="bfloat16")
            runtime, trial = _try_half(runtime, read, task, needed)
    tokenizer.max_tokens = min(tokenizer.max_tokens, runtime.max_positions)
    task, params = _make(choice, config, kind, tokenizer)  # with the limit that the weights have
    return Loaded(
        folder=listing.folder,
        task=task,
        tokenizer=tokenizer,
        runtime=runtime,
        params=params,
        revision=revision,
        card=card,
        dtype_reason=str(trial) if trial else "",
        packages=("torch", "transformers"),
    )


def _try_half(
    full: TorchRuntime, read: Callable[..., TorchRuntime], task: Task, needed: int
) -> tuple[TorchRuntime, Trial | None]:
    """The runtime in bfloat16 if it is faster on this CPU and gives the same scores, else `full`.

    CPUs with AVX512-BF16 or AMX are fast at it and others slow, and no flag gives the factor, so
    both compute a few rows. float32 stays, without a trial, if there is no memory for both;
    `needed` are the bytes of the weights in bfloat16.
    """
    if needed > free_bytes("cpu"):
        return full, None
    half = read(dtype="bfloat16")
    text = " ".join(example.text for example in task.examples)
    trial = compare(full, half, task.tokenizer.rows([task.examples[0].text, text]))
    logger.info("bfloat16: %s", trial)
    return (half, trial) if trial.passed else (full, None)


def _load_export(choice: Choice, listing: Listing, card: Card, kind: type[Task]) -> Loaded:
    if kind is TextGeneration:
        raise ModelLoadError(f'runtime = "onnx" does not do {kind.name}. Set runtime = "torch".')
    if choice.device not in ("auto", "cpu"):
        raise ModelLoadError(
            f'device is {choice.device!r}, and runtime = "onnx" computes on the CPU. '
            'Set device = "auto".'
        )
    export = Exported.read(listing.folder)
    if choice.dtype not in ("auto", export.dtype):
        raise ModelLoadError(
            f"dtype is {choice.dtype!r}, and it was exported to compute in {export.dtype}. "
            'Set dtype = "auto".'
        )
    with _reading("tokenizer"):
        tokenizer = Tokenizer.from_file(listing.folder / "tokenizer.json", export.tokenizer)
    task, params = _make(choice, listing.config, kind, tokenizer)
    free = free_memory_bytes()
    check_memory(listing, dtype=export.dtype, free_bytes=free, is_second=choice.is_second)
    revision = fetch(choice.source, listing)
    with _reading("weights"):
        runtime = OnnxRuntime(
            listing.folder / ONNX,
            dtype=export.dtype,
            parameters=export.parameters,
            pad_id=export.pad_id,
            memory_bytes=sum(listing.weights.values()),
        )
    return Loaded(
        folder=listing.folder,
        task=task,
        tokenizer=tokenizer,
        runtime=runtime,
        params=params,
        revision=revision,
        card=card,
        dtype_reason=str(export),
        packages=("onnxruntime", "tokenizers"),
    )


def _make(
    choice: Choice, config: Mapping[str, Any], kind: type[Task], tokenizer: Tokenizer
) -> tuple[Task, dict[str, Any]]:
    """The task, and the owner's parameters checked; raises ModelLoadError or InputError."""
    task = kind(config, tokenizer)
    values = checked(task.params, choice.params, defaults={})
    return task, {name: values[name] for name in choice.params}


def _check_code(config: Mapping[str, Any], trusted: bool) -> None:
    """Raises ModelLoadError if the model needs code of its own that is not allowed."""
    from transformers import CONFIG_MAPPING

    if trusted or config.get("model_type") in CONFIG_MAPPING:
        return
    if "auto_map" in config:
        raise ModelLoadError(
            "It comes with code of its own, which is not run unless you allow it. Read that "
            "code, then set trust_remote_code = true; or name another model."
        )


def _first_dtype(device: str) -> str:
    """The dtype that "auto" begins with: GPUs have half precision, a CPU is tried first."""
    return "bfloat16" if device.startswith("cuda") else "float32"


@contextmanager
def _installed(runtime: str) -> Iterator[None]:
    """Names the packages to install if those of a runtime are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        file = "requirements.txt" if runtime == TorchRuntime.name else f"requirements-{runtime}.txt"
        raise ModelLoadError(
            f'runtime = "{runtime}" needs {error.name}, which is not installed. '
            f"Install what {file} lists."
        ) from error


@contextmanager
def _reading(part: str) -> Iterator[None]:
    """Turns an error of a library while it reads a part of the model into one sentence."""
    try:
        yield
    except (ModelLoadError, ModuleNotFoundError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise ModelLoadError(
                "There is not enough memory for it. Name a smaller model, or take a machine with "
                "more memory."
            ) from error
        raise ModelLoadError(
            f"Its {part} cannot be read: {first_line(error)} "
            "Check its files, or name another model."
        ) from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message, as a sentence."""
    text = str(error).strip().split("\n")[0] or type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."
