"""What computes the forward pass: token ids in, an array of logits or further ids out.

TorchRuntime needs torch and transformers, OnnxRuntime the library onnxruntime. Neither knows a
task: they neither tokenize nor name what they return.
"""

import inspect
import os
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelLoadError
from model.sources import CGROUP, free_memory_bytes
from model.tokenizer import Row, limit

DTYPES = ("float32", "bfloat16", "float16")
MIN_SPEEDUP = 1.2
MAX_DIFFERENCE = 0.02
TRIAL_ROUNDS = 5
LENGTHS = 16  # tokens of a padded row come in multiples of it
SHARED_FLOP = 6e9  # 50 ms of one core, or so: from here on a batch is shared among threads


class TorchRuntime:
    """A PyTorch model on a CPU, or on CUDA or MPS where there is one."""

    name = "torch"

    def __init__(
        self,
        folder: Path,
        *,
        auto_model: str,
        device: str,
        dtype: str,
        allow_pickle: bool,
        trust_remote_code: bool,
    ) -> None:
        """Loads the weights in `folder` with the class of transformers called `auto_model`.

        `device` is a torch device; `dtype` one of DTYPES. Raises ModelLoadError if weights are
        missing, and whatever transformers raises on files that it cannot read.
        """
        import torch
        import transformers

        self._threads = min(torch.get_num_threads(), usable_cores())
        model, report = getattr(transformers, auto_model).from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            use_safetensors=None if allow_pickle else True,
            local_files_only=True,
            output_loading_info=True,
            trust_remote_code=trust_remote_code,
        )
        if report["missing_keys"]:
            # transformers would fill these with random numbers and only log a warning
            missing = ", ".join(sorted(report["missing_keys"])[:3])
            raise ModelLoadError(
                f"The weights lack {missing}, so its predictions would be random. "
                "Save the fine-tuned model with save_pretrained and name that folder."
            )
        self.device = device
        self.dtype = dtype
        self.max_positions = _max_positions(model)
        self.module = model.eval().to(device)
        self._takes = frozenset(inspect.signature(model.forward).parameters)
        self.parameters = sum(p.numel() for p in model.parameters())
        self._multiplied = self.parameters - model.get_input_embeddings().weight.numel()
        self.memory_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
        # By this id a decoder finds a row's last token, and RoBERTa the positions.
        self.pad_id: int | None = getattr(model.config.get_text_config(), "pad_token_id", None)
        self.can_pad = self.pad_id is not None and "attention_mask" in self._takes
        # How many logits a token has: as many as words where it is a language model.
        head = model.get_output_embeddings()
        self.width = 1 if head is None else int(head.weight.shape[0])

    def forward(self, rows: Sequence[Row]) -> list[NDArray[np.float32]]:
        """The logits of each row; rows of several lengths, padded here, need `can_pad`.

        A row's logits have the shape (labels,), or (tokens, labels) if the model gives some for
        each token.
        """
        import torch

        arrays = padded(rows, takes=self._takes, pad_id=self.pad_id, longest=self._length(rows))
        torch.set_num_threads(self.threads_for(arrays["input_ids"].size))
        inputs: dict[str, Any] = {
            name: torch.from_numpy(array).to(self.device) for name, array in arrays.items()
        }
        if "use_cache" in self._takes:
            inputs["use_cache"] = False
        with torch.inference_mode():
            output = self.module(**inputs)
            logits: NDArray[np.float32] = output.logits.float().cpu().numpy()
        return unpadded(logits, rows)

    def _length(self, rows: Sequence[Row]) -> int:
        """How long the rows are made: torch keeps kernels for each shape, so there are to be few.

        On CPUs with AMX a tile has 16 rows anyway.
        """
        longest = max(map(len, rows))
        if not self.can_pad or self.device != "cpu":
            return longest
        return min(-(-longest // LENGTHS) * LENGTHS, max(longest, self.max_positions))

    def sample(self, rows: Sequence[Row]) -> dict[str, Any]:
        """The inputs of the forward pass of `rows`, as tensors, for a trace."""
        import torch

        longest = max(map(len, rows))
        arrays = padded(rows, takes=self._takes, pad_id=self.pad_id, longest=longest)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def generate(
        self,
        row: Row,
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        tokenizer: Any,
        goes_on: Callable[[Sequence[int]], bool],
    ) -> list[int]:
        """New token ids, up to the one that ended the text.

        `goes_on` gets the new ids after each of them, and ends it by returning False. With a
        temperature of 0 the likeliest token is taken each time. `tokenizer` is transformers' own.
        """
        import torch
        from transformers import StoppingCriteriaList

        ids = torch.tensor([row.ids], device=self.device)

        def stop(every: Any, scores: Any, **rest: Any) -> Any:
            ends = not goes_on(every[0, ids.shape[1] :].tolist())
            return torch.full((1,), ends, device=every.device, dtype=torch.bool)

        how = {"do_sample": bool(temperature)} | (
            {"temperature": temperature} if temperature else {}
        )
        torch.set_num_threads(self._threads)
        torch.manual_seed(seed)
        with torch.inference_mode():
            every = self.module.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max_new_tokens,
                stopping_criteria=StoppingCriteriaList([stop]),
                tokenizer=tokenizer,
                return_dict_in_generate=False,
                **how,
            )
        new: list[int] = every[0, ids.shape[1] :].tolist()
        return new

    def threads_for(self, tokens: int) -> int:
        """How many threads so many tokens are worth.

        A small batch is done about as soon by one, and the cores that are left run the sessions
        of those who wait for it. A multiplication and an addition a weight and token.
        """
        return self._threads if 2 * self._multiplied * tokens >= SHARED_FLOP else 1

    def ends(self, ids: Sequence[int]) -> bool:
        """Whether the last of new token ids is one by which the model ends a text."""
        ends = self.module.generation_config.eos_token_id
        return bool(ids) and ids[-1] in (ends if isinstance(ends, list) else [ends])


class OnnxRuntime:
    """A model that `model.export` wrote, computed by onnxruntime on the CPU."""

    name = "onnx"
    device = "cpu"

    def __init__(
        self, file: Path, *, dtype: str, parameters: int, pad_id: int | None, memory_bytes: int
    ) -> None:
        """Opens a graph whose output is called `logits`.

        The rest is what an export says of itself; `memory_bytes` is the size of its files. Raises
        whatever onnxruntime raises on a file that it cannot read.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_cores()
        # Threads that wait for each other by spinning take the cores that the sessions need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self._takes = frozenset(one.name for one in self.session.get_inputs())
        shape = self.session.get_outputs()[0].shape
        self.width = int(shape[-1]) if len(shape) == 3 else 1
        self.dtype = dtype
        self.parameters = parameters
        self.memory_bytes = memory_bytes
        self.pad_id = pad_id
        self.can_pad = pad_id is not None and "attention_mask" in self._takes

    def forward(self, rows: Sequence[Row]) -> list[NDArray[np.float32]]:
        """The logits of each row, as those of `TorchRuntime.forward`."""
        longest = max(map(len, rows))
        inputs = padded(rows, takes=self._takes, pad_id=self.pad_id, longest=longest)
        return unpadded(self.session.run(["logits"], inputs)[0], rows)


def padded(
    rows: Sequence[Row], *, takes: AbstractSet[str], pad_id: int | None, longest: int
) -> dict[str, NDArray[np.int64]]:
    """The inputs among `takes` of rows of at most `longest` tokens: arrays of (rows, longest)."""
    made = {}
    for name in rows[0].inputs:
        if name in takes:
            pad = (pad_id or 0) if name == "input_ids" else 0
            cells = [[*row.inputs[name], *[pad] * (longest - len(row))] for row in rows]
            made[name] = np.array(cells, dtype=np.int64)
    return made


def unpadded(logits: NDArray[np.float32], rows: Sequence[Row]) -> list[NDArray[np.float32]]:
    """The logits of each row: (labels,), or (tokens, labels) without those of the padding."""
    if logits.ndim == 2:
        return list(logits)
    return [logits[i, : len(row)] for i, row in enumerate(rows)]


@dataclass(frozen=True, slots=True)
class Trial:
    """Half precision against full on one machine: how much faster, and how far the scores differ.

    `difference` is the largest one of a probability.
    """

    speedup: float
    difference: float

    @property
    def passed(self) -> bool:
        return self.speedup >= MIN_SPEEDUP and self.difference <= MAX_DIFFERENCE

    def __str__(self) -> str:
        return (
            f"{self.speedup:.1f} times the speed of float32 here, "
            f"probabilities differ by {self.difference:.3f} at most"
        )


def compare(full: TorchRuntime, half: TorchRuntime, rows: Sequence[Row]) -> Trial:
    """Computes the same rows with both, in turns, and compares medians of the times."""
    times: dict[str, list[float]] = {full.dtype: [], half.dtype: []}
    difference = 0.0
    for _ in range(TRIAL_ROUNDS):
        for row in rows:
            scores = {}
            for runtime in (full, half):
                started_s = time.perf_counter()
                (logits,) = runtime.forward([row])
                times[runtime.dtype].append(time.perf_counter() - started_s)
                exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
                scores[runtime.dtype] = exponentials / exponentials.sum(axis=-1, keepdims=True)
            gap = float(np.abs(scores[full.dtype] - scores[half.dtype]).max())
            difference = max(difference, gap if np.isfinite(gap) else 1.0)
    speedup = float(np.median(times[full.dtype]) / np.median(times[half.dtype]))
    return Trial(speedup, difference)


def usable_cores() -> int:
    """The cores that this process may use: those it is bound to, within its container's share."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:  # https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return max(1, min(bound or 1, int(quota) // int(period)))
    except (OSError, ValueError):  # no container, or "max": one without a limit
        return bound or 1


def pick_device(device: str) -> str:
    """`device`, or the best one there is for "auto"; raises ModelLoadError for an unknown one."""
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except Exception as error:
        raise ModelLoadError(
            f'device is {device!r}, which is not to be had here. Set device = "auto".'
        ) from error
    return device


def free_bytes(device: str) -> int:
    """How much memory `device` has left, in bytes."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    return free_memory_bytes()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory, of the machine or of a GPU."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


def _max_positions(model: Any) -> int:
    """The longest input in tokens that the model has positions for."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            # RoBERTa's positions start behind the one of its padding token
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            return int(module.num_embeddings - reserved)
    return limit(getattr(model.config, "max_position_embeddings", None))
