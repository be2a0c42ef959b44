"""The errors of reading a source; each message is fit to be shown to a visitor."""

from errors import InvalidInput, Unavailable


class ReadingError(InvalidInput):
    """An upload cannot be read; the message names the remedy."""


class SourceAway(ReadingError, Unavailable):
    """The database of a source cannot be reached now; the same call can succeed later."""

    exit_code = Unavailable.exit_code
