"""The runtime onnx: a graph that model.export wrote, computed by onnxruntime. Knows no task."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.machine import usable_cores
from model.runtimes.rows import padded, unpadded
from model.tokenizer import TokenRow


class OnnxRuntime:
    """A model that `model.export` wrote, computed by onnxruntime on the CPU."""

    name = "onnx"
    device = "cpu"

    def __init__(
        self, file: Path, *, dtype: str, parameters: int, pad_id: int | None, memory_bytes: int
    ) -> None:
        """Opens a graph whose output is called `logits`.

        `dtype`, `parameters` and `pad_id` are facts of the export; `memory_bytes` is the size of
        its files. Raises the errors of onnxruntime for a file that it cannot read.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_cores()
        # Threads that spin while they wait would take the cores that the sessions need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self._takes = frozenset(taken.name for taken in self.session.get_inputs())
        shape = self.session.get_outputs()[0].shape
        self.width = int(shape[-1]) if len(shape) == 3 else 1
        self.dtype = dtype
        self.parameters = parameters
        self.memory_bytes = memory_bytes
        self.pad_id = pad_id
        self.can_pad = pad_id is not None and "attention_mask" in self._takes

    def forward(self, rows: Sequence[TokenRow]) -> list[NDArray[np.float32]]:
        """The logits of each row, in the shapes of `TorchRuntime.forward`."""
        longest = max(map(len, rows))
        inputs = padded(rows, takes=self._takes, pad_id=self.pad_id, longest=longest)
        return unpadded(self.session.run(["logits"], inputs)[0], rows)
