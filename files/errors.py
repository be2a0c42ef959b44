"""The error of reading a file; its message is fit to be shown to a visitor."""

from errors import InvalidInput


class ReadingError(InvalidInput):
    """An upload cannot be read; the message names the remedy."""
