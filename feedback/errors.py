"""The errors of the feedback log; each message is one that a visitor may read."""

from errors import InvalidInput, TryoutError, Unavailable


class FeedbackError(TryoutError):
    """The root of the log's errors, and a value that the log refuses."""


class LogUnavailable(FeedbackError, Unavailable):
    """The database cannot be opened, read or written now; the values given are not stored."""


class CsvError(FeedbackError, InvalidInput):
    """A CSV file is not one that this app exported; the message names the row."""
