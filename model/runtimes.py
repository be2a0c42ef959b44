"""What computes the forward pass: token ids in, an array of logits out.

Knows no task: it neither tokenizes nor names what it returns.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelLoadError

UNLIMITED = 2**31
DTYPES = ("float32", "bfloat16", "float16")


class TorchRuntime:
    """A PyTorch sequence classifier on a CPU, or on CUDA or MPS where there is one."""

    name = "torch"

    def __init__(self, folder: Path, *, device: str, dtype: str) -> None:
        """Loads the safetensors weights in `folder`.

        `device` is "auto" or a torch device; `dtype` one of DTYPES. Raises ModelLoadError if
        weights are missing, and whatever transformers raises on files that it cannot read.
        """
        import torch
        from transformers import AutoModelForSequenceClassification

        if dtype not in DTYPES:
            raise ModelLoadError(f"dtype is {dtype!r}; it must be one of {', '.join(DTYPES)}.")
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
        if report["missing_keys"]:
            # transformers would fill these with random numbers and only log a warning
            missing = ", ".join(sorted(report["missing_keys"])[:3])
            raise ModelLoadError(
                f"The weights lack {missing}, so its predictions would be random. "
                "Save the fine-tuned model with save_pretrained and name that folder."
            )
        self.device = _pick_device() if device == "auto" else device
        self.dtype = dtype
        self.max_positions = _max_positions(model)
        self._model = model.eval().to(self.device)
        self.parameters = sum(p.numel() for p in model.parameters())
        self.memory_bytes = sum(p.numel() * p.element_size() for p in model.parameters())

    def forward(self, ids: Sequence[Sequence[int]], *, pad_id: int) -> NDArray[np.float32]:
        """Logits of shape (len(ids), labels) for token ids of any lengths, padded here."""
        import torch

        longest = max(len(row) for row in ids)
        padded = torch.full((len(ids), longest), pad_id, dtype=torch.long)
        mask = torch.zeros((len(ids), longest), dtype=torch.long)
        for i, row in enumerate(ids):
            padded[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        with torch.inference_mode():
            output = self._model(
                input_ids=padded.to(self.device), attention_mask=mask.to(self.device)
            )
            logits: NDArray[np.float32] = output.logits.float().cpu().numpy()
        return logits


def _max_positions(model: Any) -> int:
    """The longest input in tokens that the model has positions for."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            # RoBERTa's positions start behind the one of its padding token
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            return int(module.num_embeddings - reserved)
    return int(getattr(model.config, "max_position_embeddings", None) or UNLIMITED)


def _pick_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
