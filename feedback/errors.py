"""The errors of the feedback log; each message is fit to be shown to a visitor."""

from errors import InvalidInput, TryoutError, Unavailable


class FeedbackError(TryoutError):
    """The root of the log's errors; also raised for a value that the log refuses."""


class LogUnavailable(FeedbackError, Unavailable):
    """The database cannot be opened, read or written now; the values given are not stored."""


class CsvError(FeedbackError, InvalidInput):
    """A CSV file is not an export of this app; the message names the row."""
