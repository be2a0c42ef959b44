"""What can go wrong in serving; every message is one a visitor may read."""


class ReadingError(Exception):
    """Nothing can be read of what was uploaded; the message names the remedy."""
