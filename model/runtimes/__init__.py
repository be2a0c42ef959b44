"""The forward pass, a module each runtime: token ids in, an array of logits or further ids out.

A runtime knows no task: it neither tokenizes nor names what it returns.
"""

from model.runtimes.onnx import OnnxRuntime
from model.runtimes.torch import TorchRuntime

__all__ = ["RUNTIMES", "OnnxRuntime", "Runtime", "TorchRuntime"]

Runtime = TorchRuntime | OnnxRuntime
RUNTIMES = (TorchRuntime.name, OnnxRuntime.name)
