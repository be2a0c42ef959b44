"""The error of reading a file; its message is one that a visitor may read."""

from errors import InvalidInput


class ReadingError(InvalidInput):
    """Nothing can be read from an upload; the message names the remedy."""
