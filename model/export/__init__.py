"""Exports a model as an ONNX graph, which needs no torch; `python -m model.export` is the command.

transformers' exporter writes the graph (https://huggingface.co/docs/transformers/main/en/exporters).
Before anything is written the export is loaded and compared with the model on real texts; if they
disagree, nothing is written.
"""

from model.export.errors import ExportError
from model.export.writer import export

__all__ = ["ExportError", "export"]
