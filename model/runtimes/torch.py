"""The runtime torch: a PyTorch model, loaded by transformers. Knows no task."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelLoadError
from model.machine import usable_cores
from model.runtimes.rows import padded, unpadded
from model.tokenizer import TokenRow, limit

DTYPES = ("float32", "bfloat16", "float16")
LENGTHS = 16  # the length of a padded row is a multiple of it, in tokens
SHARED_FLOP = 6e9  # about 50 ms of a core: from here on a batch is shared among threads


class TorchRuntime:
    """A PyTorch model on a CPU, a CUDA device or MPS."""

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

        `device` is a torch device, `dtype` a name in DTYPES. Raises ModelLoadError if weights are
        missing, and the errors of transformers for files that it cannot read.
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
            # transformers fills these with random numbers and only logs a warning.
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
        # A decoder locates the last token of a row by this id, RoBERTa the positions.
        self.pad_id: int | None = getattr(model.config.get_text_config(), "pad_token_id", None)
        self.can_pad = self.pad_id is not None and "attention_mask" in self._takes
        # The logits of a token: a language model has one for each word of its vocabulary.
        head = model.get_output_embeddings()
        self.width = 1 if head is None else int(head.weight.shape[0])

    def forward(self, rows: Sequence[TokenRow]) -> list[NDArray[np.float32]]:
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

    def _length(self, rows: Sequence[TokenRow]) -> int:
        """The padded length, a multiple of 16 on a CPU.

        torch caches kernels per shape, and few shapes keep that cache small. On CPUs with AMX a
        tile has 16 rows anyway.
        """
        longest = max(map(len, rows))
        if not self.can_pad or self.device != "cpu":
            return longest
        return min(-(-longest // LENGTHS) * LENGTHS, max(longest, self.max_positions))

    def sample(self, rows: Sequence[TokenRow]) -> dict[str, Any]:
        """The inputs of the forward pass of `rows`, as tensors on the CPU, to trace a graph."""
        import torch

        longest = max(map(len, rows))
        arrays = padded(rows, takes=self._takes, pad_id=self.pad_id, longest=longest)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def generate(
        self,
        row: TokenRow,
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        tokenizer: Any,
        goes_on: Callable[[Sequence[int]], bool],
    ) -> list[int]:
        """New token ids, up to and with the id that ended the text.

        `goes_on` is called with the new ids after each of them; its False ends the text. At a
        temperature of 0 each token is the likeliest. `tokenizer` is transformers' own.
        """
        import torch
        from transformers import StoppingCriteriaList

        ids = torch.tensor([row.ids], device=self.device)

        def stop(ids_so_far: Any, scores: Any, **rest: Any) -> Any:
            ends = not goes_on(ids_so_far[0, ids.shape[1] :].tolist())
            return torch.full((1,), ends, device=ids_so_far.device, dtype=torch.bool)

        sampling = {"do_sample": bool(temperature)} | (
            {"temperature": temperature} if temperature else {}
        )
        torch.set_num_threads(self._threads)
        torch.manual_seed(seed)
        with torch.inference_mode():
            all_ids = self.module.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max_new_tokens,
                stopping_criteria=StoppingCriteriaList([stop]),
                tokenizer=tokenizer,
                return_dict_in_generate=False,
                **sampling,
            )
        new_ids: list[int] = all_ids[0, ids.shape[1] :].tolist()
        return new_ids

    def threads_for(self, tokens: int) -> int:
        """The number of threads for a batch of `tokens` padded tokens.

        A single thread computes a small batch in about the same time, and leaves cores to the
        sessions that wait for it. Counted are a multiplication and an addition for each weight and
        token.
        """
        return self._threads if 2 * self._multiplied * tokens >= SHARED_FLOP else 1

    def ends(self, ids: Sequence[int]) -> bool:
        """True if the last of the new token ids is an id by which the model ends a text."""
        ends = self.module.generation_config.eos_token_id
        return bool(ids) and ids[-1] in (ends if isinstance(ends, list) else [ends])


def _max_positions(model: Any) -> int:
    """The length in tokens of the longest input that the model has positions for."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            # RoBERTa's positions start after that of its padding token.
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            return int(module.num_embeddings - reserved)
    return limit(getattr(model.config, "max_position_embeddings", None))
