"""The error of an export."""

from model.errors import ModelError


class ExportError(ModelError):
    """The model cannot be exported, or the export disagrees with it; nothing was written."""
