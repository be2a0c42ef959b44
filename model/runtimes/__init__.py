"""The runtimes, a module each: from token ids to logits, or to further token ids.

A runtime knows no task: it neither tokenizes texts nor gives logits a meaning.
"""

from model.runtimes.onnx import OnnxRuntime
from model.runtimes.torch import TorchRuntime

__all__ = ["RUNTIMES", "OnnxRuntime", "Runtime", "TorchRuntime"]

Runtime = TorchRuntime | OnnxRuntime
RUNTIMES = (TorchRuntime.name, OnnxRuntime.name)
